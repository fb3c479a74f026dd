"""`python -m hank_mfg` is the command `hank-mfg`."""

from hank_mfg.cli.main import main

if __name__ == "__main__":
    main()
