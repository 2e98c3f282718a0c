"""The only randomness of dpsql: exact integer mechanisms fed by the operating system."""
