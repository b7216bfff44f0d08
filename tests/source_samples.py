"""One invented answer of each kind of source."""

from __future__ import annotations

import json
from typing import Any

BEES = "2603.00017"


def hf_item(**paper: Any) -> dict[str, Any]:
    """One entry of Hugging Face's daily papers."""
    said = {
        "id": BEES,
        "title": "Bees That\n Count",
        "summary": "We ask bees to count.\nThey do, up to four.",
        "authors": [{"name": "Ann Li", "hidden": False}, {"name": "Hid Den", "hidden": True}, {"name": "Bo Day"}],
        "upvotes": 12,
        "publishedAt": "2026-03-02T22:00:00.000Z",
        "githubRepo": "https://github.com/bees/count",
        "projectPage": "https://bees.example.org/",
    }
    said.update(paper)
    said = {key: value for key, value in said.items() if value is not ...}
    return {"paper": said, "title": said.get("title"), "publishedAt": "2026-03-02T17:00:00.000Z", "numComments": 1}


HF = json.dumps(
    [
        hf_item(),
        hf_item(id="2603.00018", title="Slow Oaks", upvotes=3),
        hf_item(id="2603.00019", title="Salt Clocks"),
    ]
).encode()

ATOM_HEAD = (
    '<feed xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns="http://www.w3.org/2005/Atom" xml:lang="en-us"><id>http://rss.arxiv.org/atom/cs.XX</id>'
    "<title>cs.XX updates</title><updated>2026-03-03T05:00:10.5+00:00</updated>"
)


def announced(number: str = BEES, kind: str = "new", title: str = "Bees That Count", more: str = "") -> str:
    """One entry of arXiv's Atom feed."""
    return (
        f"<entry><id>oai:arXiv.org:{number}v1</id><title>{title}</title><updated>2026-03-03T05:00:11+00:00</updated>"
        f'<link href="https://arxiv.org/abs/{number}" rel="alternate" type="text/html"/>'
        f"<summary>arXiv:{number}v1 Announce Type: {kind} \nAbstract: We ask bees to count, if $n &lt; 5$."
        "</summary>"
        '<category term="cs.CL"/><category term="stat.ML"/><published>2026-03-03T00:00:00-05:00</published>'
        f"<arxiv:announce_type>{kind}</arxiv:announce_type><dc:creator>Ann Li, Bo Day</dc:creator>{more}</entry>"
    )


def atom_feed(*entries: str) -> bytes:
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{ATOM_HEAD}{''.join(entries)}</feed>".encode()


ARXIV_ATOM = atom_feed(announced(), announced("2603.00018", "cross"), announced("2603.00019", "replace"))
ARXIV_RSS = b"""<?xml version='1.0' encoding='UTF-8'?>
<rss xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/" version="2.0"><channel>
<title>cs.XX updates on arXiv.org</title><lastBuildDate>Wed, 04 Mar 2026 05:00:02 +0000</lastBuildDate>
<pubDate>Tue, 03 Mar 2026 00:00:00 -0500</pubDate><skipDays><day>Saturday</day></skipDays>
<item><title>Bees That Count</title><link>https://arxiv.org/abs/2603.00017</link>
<description>arXiv:2603.00017v1 Announce Type: replace-cross
Abstract: We ask bees to count.</description><guid isPermaLink="false">oai:arXiv.org:2603.00017v1</guid>
<category>cs.CL</category><category>math.GT</category><pubDate>Tue, 03 Mar 2026 00:00:00 -0500</pubDate>
<arxiv:announce_type>replace-cross</arxiv:announce_type><arxiv:DOI>10.1000/BEES.7</arxiv:DOI>
<dc:creator>Ann Li (Institute of Bees), Bo Day, Jr., Cy Roe</dc:creator></item></channel></rss>"""


def found(own_id: str = f"http://arxiv.org/abs/{BEES}v2", title: str = "Bees\n  That Count", more: str = "") -> str:
    """One entry of the arXiv API."""
    return (
        f"<entry><id>{own_id}</id><updated>2026-03-04T01:00:00Z</updated><published>2026-03-02T23:30:00Z</published>"
        f"<title>{title}</title><summary>  We ask bees\nto count.\n</summary>"
        "<author><name>Ann Li</name><arxiv:affiliation>Institute of Bees</arxiv:affiliation></author>"
        "<author><name>Bo Day</name></author>"
        '<category term="stat.ML" scheme="s"/><category term="cs.CL" scheme="s"/><category term="68T50"/>'
        f'<arxiv:primary_category term="cs.CL" scheme="s"/>{more}</entry>'
    )


def api_answer(*entries: str, total: int = 40) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom"'
        ' xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">'
        f"<title>Q</title><opensearch:totalResults>{total}</opensearch:totalResults>{''.join(entries)}</feed>"
    ).encode()


ARXIV_API = api_answer(
    found(), found("http://arxiv.org/abs/math.GT/0309136v1", "Knots", "<arxiv:doi>10.1000/K</arxiv:doi>")
)

RSS_HEAD = (
    '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/"'
    ' xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Notes</title>'
)
RSS_ITEM = (
    "<item><media:title>No title of a paper</media:title><title>Bees &amp;amp; &lt;i&gt;Oaks&lt;/i&gt;</title>"
    "<link>/notes/1?a=1&amp;b=2</link><description>&lt;p&gt;One.&lt;/p&gt;&lt;p&gt;Two.&lt;/p&gt;</description>"
    '<author>ann@example.org (Ann Li)</author><guid isPermaLink="false">tag:notes,1</guid>'
    "<pubDate>Tue, 03 Mar 2026 23:30:00 -0800</pubDate><category>cs.CL</category><category>physics</category>"
    "</item>"
)


def rss(*items: str) -> bytes:
    return f'<?xml version="1.0"?>{RSS_HEAD}{"".join(items)}</channel></rss>'.encode()


RSS = rss(RSS_ITEM)
ATOM = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://oaks.example.org/blog/">
<title>Oaks</title><updated>2026-03-03T00:00:00Z</updated><entry><title type="text">If p &lt; q &amp;amp; r</title>
<id>urn:oaks:1</id><link rel="related" href="https://arxiv.org/abs/2601.99999"/><link href="one.html"/>
<author><name>Ann Li</name></author><author><name>Day, Bo</name></author>
<updated>2026-03-01T23:00:00-08:00</updated><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">
<p>Oaks <b>grow</b></p><p>slowly.</p></div></content></entry></feed>"""
RDF = b"""<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns="http://purl.org/rss/1.0/" xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://j.example.org"><title>Tides</title></channel>
<item rdf:about="https://j.example.org/7"><title><![CDATA[Salt <i>Clocks</i>]]></title>
<link>https://j.example.org/7</link>
<dc:identifier>doi:10.1000/Tide.7</dc:identifier>
<prism:doi>10.1000/Tide.7</prism:doi><dc:creator>Ann Li</dc:creator>
<dc:creator>Bo Day</dc:creator><prism:publicationDate>2026-2-3</prism:publicationDate>
</item></rdf:RDF>"""
JSON_FEED = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Notes",
        "items": [
            {
                "id": "n1",
                "url": "notes/1",
                "title": "If p < q",
                "content_html": "<p>One.</p><p>Two.</p>",
                "authors": [{"name": "Ann Li"}, {"name": "Bo Day"}],
                "date_published": "2026-03-03T23:00:00-08:00",
                "tags": ["cs.CL", "bees"],
            }
        ],
    }
).encode()
JSONL = b"""{"id": "2603.00017", "title": "Bees That Count", "authors": ["Ann Li"], "date": "2026-3-3", "votes": 7}
{"title": "Slow Oaks", "authors": "Day, Bo; Roe, Cy", "url": "https://oaks.example.org/1", "upvotes": "9"}
not JSON
{"title": "\\ud83d\\ude00 Salt \\ud800 Clocks\\u0000", "doi": "10.1000/TIDE", "score": 3.0, "position": 2}
"""
HTML = (
    "<div><!-- no --><p>Bees<br>count to H<sub>2</sub>O &amp;amp; 10<sup>&minus;3</sup>.</p><script>x(1)</script>"
    '<math alttext="x^2"><semantics><mi>x</mi><annotation encoding="application/x-tex">x^{2}</annotation>'
    "</semantics></math> if a < b <img alt='gone' src='x'></div>"
)
PAGE = b"""new

Subscribe

Mar 14

Bees That Count: Measuring Numbers in the Hive

We ask bees to count and they do, up to four. Our flowers are at https://github.com/bees/count and cost $5.

Slow Oaks

Oaks grow slowly, and nobody has measured how slowly. In this paper, we plant forty of them and wait for nine years.
"""
