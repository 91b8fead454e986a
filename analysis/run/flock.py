"""Locks of files that end with their process, where the file system has them; Lustre, CIFS or FUSE may have none."""

import errno
import fcntl

# NFS refuses a lock of a folder, which is open for reading only, with EBADF.
WITHOUT = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EBADF, errno.EINVAL)


def flock(descriptor: int, operation: int) -> bool:
    """Lock an open file or folder; return False where the file system has no locks.

    Raises:
        BlockingIOError: another process holds the lock.
    """
    try:
        fcntl.flock(descriptor, operation)
    except OSError as error:
        if error.errno not in WITHOUT:
            raise
        return False
    return True
