"""`python -m dpsql` is the command `dpsql`."""

from dpsql.doors.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
