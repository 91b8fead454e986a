"""Schedules, degradations, the diffusion process and its samplers."""
