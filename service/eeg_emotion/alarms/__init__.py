"""From what the rules decide to what is kept, told and delivered."""
