"""Keep: run folders, results in one file, locks, checksums; what is written is complete or not there."""
