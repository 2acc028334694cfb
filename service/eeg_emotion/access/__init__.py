"""Who may do what: scopes, keys, tokens, origins, the purpose, and the audit of it all."""
