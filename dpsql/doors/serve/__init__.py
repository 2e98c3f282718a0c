"""`dpsql serve`: the protocol of PostgreSQL, 3.0 and 3.2, over one `Session`. A user is the analyst of that name.

    server       the sockets: limits, signals, drain        login       from the first byte to ReadyForQuery
    connection   one client's messages, in their order      clerk       what each statement answers
    commands     text to one statement                      portal      rows that are handed out in pieces
    messages     bytes, both ways                           values      types, text and binary, both ways
"""
