"""The words of tills and shops: column headers, stock words, yes and no, a module per language.

`language` says how a module is written, `folding` how words are compared, `known` puts the
languages together, `reading` understands one header. The choice of columns for one file is
`pos.columns`' subject.
"""
