"""Compiled programs are kept for the next process, unless the user says otherwise."""

import os
import subprocess
import sys

import pytest

CALL = """
import jax
{before}
import hank_mfg as hm
imported = jax.config.jax_compilation_cache_dir
hm.load_model("huggett")
print(imported, jax.config.jax_compilation_cache_dir, jax.config.jax_persistent_cache_min_compile_time_secs)
"""
OWN = 'jax.config.update("jax_compilation_cache_dir", "/own")'


@pytest.mark.parametrize(
    ("before", "given", "known"),
    [
        ("", {}, "None {cache}/hank_mfg/jax 0.0"),
        ("", {"HANK_MFG_CACHE": "off"}, "None None 1.0"),
        (OWN, {}, "/own /own 1.0"),
        ("", {"JAX_COMPILATION_CACHE_DIR": "/theirs"}, "/theirs /theirs 1.0"),
    ],
)
def test_programs_are_kept_from_the_first_call_on(tmp_path, before, given, known):
    """Importing changes no configuration; the first call names a folder, unless it is off or JAX has one."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "HANK_MFG_"))}
    environment = {**plain, "XDG_CACHE_HOME": str(tmp_path), **given}
    done = subprocess.run(
        [sys.executable, "-c", CALL.format(before=before)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == known.format(cache=tmp_path)
