"""What every page uses: style, charts, embedding, the state in the address."""
