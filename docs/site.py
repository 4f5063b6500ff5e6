"""Hook of MkDocs: pages outside docs/ become part of the site, and so do the other files that pages link.

GitHub shows the same files in their places; there every link is relative to its file.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File, Files

REPOSITORY = Path(__file__).parents[1]
OUTSIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "config/README.md", "benchmarks/*.md")
LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")


def on_files(files: Files, config) -> Files:
    """Add the pages outside docs/ at their paths in the repository, and what pages link besides."""
    pages = [path for pattern in OUTSIDE for path in sorted(REPOSITORY.glob(pattern))]
    added = {path.relative_to(REPOSITORY).as_posix(): path for path in pages}
    for page in [*pages, *sorted((REPOSITORY / "docs").glob("*.md"))]:
        for _, link, _ in LINK.findall(page.read_text(encoding="utf-8")):
            path = (page.parent / link).resolve()
            name = path.relative_to(REPOSITORY).as_posix()
            if path.is_file() and not name.startswith("docs/"):
                added[name] = path
    for name, path in sorted(added.items()):
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page, config, files: Files) -> str:
    """Point links at the site's paths: those of docs/ without the folder."""
    place = page.file.src_uri
    source = place if (REPOSITORY / place).is_file() and page.file.generated_by else f"docs/{place}"

    def target(match: re.Match) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        inside = path.removeprefix("docs/")
        return match[1] + posixpath.relpath(inside, posixpath.dirname(place) or ".") + match[3]

    return LINK.sub(target, markdown)
