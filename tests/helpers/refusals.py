"""A kernel that refuses what a file system may not have, for a process and all that it starts."""

# A program of seccomp: where the system call is one of those, the answer is an error, else it is carried out. Of x86-64
# alone, whose numbers of calls these are: flock, link, symlink, linkat, symlinkat.
REFUSING = """
import ctypes, errno, struct

CALLS = (73, 86, 88, 265, 266)


def refuse(error=errno.ENOSYS):
    count = len(CALLS)
    lines = [(0x20, 0, 0, 0)]  # load the number of the call
    lines += [(0x15, count - place, 0, number) for place, number in enumerate(CALLS)]
    lines += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | error)]  # allow it; or answer with the error
    program = b"".join(struct.pack("HBBI", *line) for line in lines)
    text = ctypes.create_string_buffer(program)
    head = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
    assert libc.prctl(22, 2, head, 0, 0) == 0, ctypes.get_errno()  # a filter of calls
"""
