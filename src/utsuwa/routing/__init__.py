"""From Routes and Revisions to the gateway's table, and the words of the link. Pure."""
