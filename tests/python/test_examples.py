"""Every example runs on real pictures; so does the code of the documents, and the notebook of the tour."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest

ROOT = __import__("pathlib").Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
HAS_NBCLIENT = all(importlib.util.find_spec(name) for name in ("nbclient", "nbformat", "ipykernel"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_example(script, tmp_path):
    needs_library = "libdiptych" in (ROOT / "examples" / script).read_text()
    if needs_library and "DIPTYCH_LIBRARY" not in os.environ:
        pytest.skip("needs libdiptych.so")
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / script], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and done.stdout, done.stdout + done.stderr


def test_each_is_listed():
    listed = (ROOT / "examples/README.md").read_text()
    kinds = (".py", ".go", ".ipynb", ".png", ".jpg")
    kept = [path.name for path in (ROOT / "examples").iterdir() if path.suffix in kinds]
    assert len(kept) > 8 and not [name for name in kept if f"`{name}`" not in listed]


@pytest.mark.parametrize("document", ["docs/python.md", "README.md"])
def test_code_of_documents(document, tmp_path):
    """The ```python blocks of a document, one after the other as one program, where cat.png and pairs/ lie."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for path in [*(ROOT / "examples").glob("*.*g"), ROOT / "examples/pairs"]:
        (tmp_path / path.name).symlink_to(path)
    runnable = [block for block in blocks if "from_pretrained(\"openai/" not in block]
    program = tmp_path / "program.py"
    program.write_text('if __name__ == "__main__":\n' + re.sub("^(?=.)", "    ", "\n".join(runnable), flags=re.M))
    done = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_has_transformers_own_example():
    text = (ROOT / "README.md").read_text()
    assert "from diptych import AutoProcessor, CLIPModel" in text
    assert 'CLIPModel.from_pretrained("openai/clip-vit-base-patch32")' in text
    assert "logits_per_image.softmax(dim=1)" in text


@pytest.mark.skipif(not HAS_NBCLIENT, reason="nbclient is not installed")
def test_the_notebook(tmp_path):
    import nbclient
    import nbformat

    notebook = nbformat.read(ROOT / "examples/tour.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT / "examples")}}).execute()
    drawn = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]
    assert len(drawn) >= 3
