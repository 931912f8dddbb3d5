"""Parts shared by all pages: style, charts, embedding, state in the address."""
