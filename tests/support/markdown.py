"""Reads Markdown as GitHub does; prints its tables, each a list of rows of the texts of cells, and whatever HTML is in it, as JSON."""

import json
import sys

from markdown_it import MarkdownIt

tables, html = [], []


def text(token):
    """What a reader sees of an inline token."""
    parts = []
    for child in token.children:
        if child.type == "html_inline":
            html.append(child.content)
        parts.append(child.content)
    return "".join(parts)


for token in MarkdownIt("commonmark").enable("table").parse(sys.stdin.read()):
    if token.type == "table_open":
        tables.append([])
    elif token.type == "tr_open":
        tables[-1].append([])
    elif token.type == "html_block":
        html.append(token.content)
    elif token.type == "inline":
        if tables and tables[-1] and token.level == 4:
            tables[-1][-1].append(text(token))
        else:
            text(token)

json.dump({"tables": tables, "html": sorted(set(html))}, sys.stdout)
