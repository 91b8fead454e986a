"""The report page of a run: a module and a template for each section; report.py puts them together."""
