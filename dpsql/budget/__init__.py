"""What was spent, and what may still be: events, the privacy filter, the ledger."""
