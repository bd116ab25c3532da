"""YAML files of others."""

import pytest

from invdesflow.errors import ConfigurationError
from invdesflow.yaml_files import read_yaml

LAUGHS = "a0: &a0 [1, 2]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 2026-02-30\n", "is not YAML"),
        ("a: !!python/object/apply:os.system ['true']\n", "is not YAML"),
        ("a: " + "[" * 5000 + "\n", "is not YAML"),
        ("a: &x [*x]\n", "more than 100000 values"),
        (LAUGHS, "more than 100000 values"),
        ("[1, 2]\n", "is not a YAML mapping"),
        ("", "is not a YAML mapping"),
        ("a: \xff", "is not YAML"),
    ],
)
def test_refused(text, problem, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=problem) as raised:
        read_yaml(path, "The recipe", "Compare it with another.")
    assert str(raised.value).startswith(f"The recipe {path}")


def test_a_part_named_twice_is_read_twice(tmp_path):
    path = tmp_path / "stores.yaml"
    path.write_text("a: &x {b: 1}\nc: *x\n")
    assert read_yaml(path, "The store file", "") == {"a": {"b": 1}, "c": {"b": 1}}
