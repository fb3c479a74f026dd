"""The classical algorithm of Krusell and Smith."""
