# SPDX-License-Identifier: MIT
#
# Reads the pages that the tool writes: every element is closed, nothing comes from elsewhere.
import html.parser


class Page(html.parser.HTMLParser):
    """Rows of the table, titles inside of plots, and what a page must not need."""

    def __init__(self):
        super().__init__()
        self.rows, self.open, self.cell = [], [], None
        self.titles, self.headings, self.text = [], [], ""
        self.rects = []  # x and y, of all but self-closing ones

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        assert tag not in ("script", "link", "img", "iframe"), tag
        assert "href" not in attrs and "src" not in attrs, attrs
        if tag not in ("meta", "line"):
            self.open.append(tag)
        if tag == "rect":
            self.rects.append((attrs["x"], attrs["y"]))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.cell = ""
        if tag in ("title", "h2"):
            self.text = ""

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
        if tag == "title" and "svg" in self.open:
            self.titles.append(self.text)
        if tag == "h2":
            self.headings.append(self.text)
        if tag in ("td", "th"):
            self.rows[-1].append(self.cell)
            self.cell = None

    def handle_data(self, data):
        self.text += data
        if self.cell is not None:
            self.cell += data
