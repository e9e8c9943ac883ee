"""The server's books: what `GET /_lacewing/cost` says, as exact numbers."""
from decimal import Decimal

from .signing import send, signed


def cost(server, query="") -> dict:
    """The bill as the server gives it to its own command line."""
    answer = send(signed(server, path=f"/_lacewing/cost{query}"))
    assert answer.status_code == 200, answer.text
    return answer.json()


def quantity(bill, meter, function=None) -> Decimal:
    """The sum of a meter's quantities."""
    lines = [line for line in bill["lines"] if line["meter"] == meter and function in (None, line["function"])]
    return sum((Decimal(str(line["quantity"])) for line in lines), Decimal(0))
