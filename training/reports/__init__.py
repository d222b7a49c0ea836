"""Reports of evaluations: one document of numbers, drawn as a page that needs nothing else.

`classification` and `detection` make the numbers, `page` draws them; no number is on the page that
is not in the document.
"""
