"""A part that is missing ends in one line that says what to install."""

import sys

import pytest

from synth.common.config import stage_main
from synth.common.optional import MissingPartError, import_optional, install_extra, install_packages
from synth.generate import GenerateConfig


def test_what_is_there_is_imported():
    assert import_optional("math", wanted_by="a test", mend="") is sys.modules["math"]


@pytest.mark.parametrize("error", [ImportError, OSError, AttributeError])
def test_what_is_missing_or_broken_says_what_to_install_in_one_line(tmp_path, monkeypatch, error):
    (tmp_path / "broken_part.py").write_text(f"raise {error.__name__}('no\\n  libfoo.so')")
    monkeypatch.syspath_prepend(tmp_path)
    mend = f"{install_extra('foo')} and {install_packages('libfoo1', 'libbar')}"
    with pytest.raises(MissingPartError) as caught:
        import_optional("broken_part", wanted_by="renderer=foo", mend=mend)
    message = str(caught.value)
    assert message.startswith("renderer=foo needs broken_part, which does not work here")
    assert "no libfoo.so" in message and "\n" not in message
    assert message.endswith("pip install 'handbridge[foo]' and apt-get install -y libfoo1 libbar")
    assert isinstance(caught.value, ImportError) and isinstance(caught.value, ValueError)


def test_a_command_ends_with_that_line(capsys):
    def run(_):
        import_optional("no_such_module", wanted_by="renderer=foo", mend=install_extra("foo"))

    assert stage_main("generate", GenerateConfig, run)(["out=x"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "pip install 'handbridge[foo]'" in error
