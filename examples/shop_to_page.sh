#!/usr/bin/env bash
# From a messy CSV of purchases to a page with reasons, a new customer, and tomorrow: ten commands of the shell.
#
#     pip install -e ".[report,serve]" && bash examples/shop_to_page.sh shop
#
# The files go to the folder that is named (shop unless given). Everything but the first command, which makes up a shop,
# is what one would type for a table of one's own.
set -euo pipefail
mkdir -p "${1:-shop}" && cd "${1:-shop}"

# 0. A shop: customers with commas and accents, SKUs with leading zeros, ISO times of two kinds, gaps, repeated purchases.
python - <<'PYTHON'
import csv, random

draw = random.Random(7)
names = ["Müller, Ann-Marie", "O'Neill, Seán", "Łukasz, K.", "Núñez, José", "Ångström, Åsa", "Smith, \"Bob\""]
kinds = ["tea", "coffee", "bread", "cheese"]
people = [f"{draw.choice(names)} {n:03d}" for n in range(150)]
skus = [f"{n:06d}" for n in range(80)]


def purchases(people, skus, day):
    for n, person in enumerate(people):
        mine = [sku for sku in skus if int(sku) % len(kinds) == n % len(kinds)]
        for sku in [*draw.sample(mine, 12 if len(mine) > 12 else len(mine)), draw.choice(skus)]:
            hour = f"{draw.randrange(8, 20):02d}:{draw.randrange(60):02d}"
            yield [person, sku, f"2026-{day}-{draw.randrange(1, 29):02d}T{hour}:00{draw.choice(['Z', '+01:00'])}"]


def write(name, header, rows):
    with open(name, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


header = ["customer", "sku", "at"]
rows = list(purchases(people, skus, "03"))
rows += draw.sample(rows, 40)  # bought again, or exported twice
rows += [["", "000007", "2026-03-01T10:00:00Z"], [people[0], "000008", ""], [people[1], "", "2026-03-02T10:00:00Z"]]
write("purchases.csv", header, rows)
new_skus = [f"{n:06d}" for n in range(80, 88)]
write("tomorrow.csv", header, purchases([*people[:20], "Dvořák, Antonín 900"], [*skus[:16], *new_skus], "04"))
write("items.csv", ["sku", "name"], [[s, f"{kinds[int(s) % len(kinds)]} № {int(s)}"] for s in skus + new_skus])
PYTHON

# 1. Train. The split is made (by each customer's time), said and written into the run; rows with a gap are left out.
graphrec train lightgcn --data purchases.csv --user customer --item sku --time at --missing drop \
    --items items.csv --title name --out run --refit --set layers=2 --set dim=32 --set epochs=40 --set lr=0.02 --set patience=5

# 2. Test on the last fifth of each customer's purchases, which no training has seen.
graphrec evaluate run --data purchases.csv -k 10

# 3. Everybody's list into a file (.parquet with pip install "graphrec[parquet]").
graphrec recommend run --all --out recommendations.csv -k 5

# 4. A customer who was never there, from what lies in the basket.
graphrec recommend run --history 000037,000012 -k 5

# 5. One page in one file: data, curves, metrics, a customer's list with the reasons and the paths of the first.
graphrec report run --data purchases.csv --items items.csv --out page.html

# 6. A service with a page to play with. The port is any that is free; the first line says which.
graphrec serve run --port 0 2> serve.log &
service=$!
trap 'kill "$service" 2> /dev/null || true' EXIT
for _ in $(seq 300); do address=$(grep -o 'http://[^ ]*' serve.log) && break || kill -0 "$service" && sleep 0.2; done
echo "open $address in a browser"
cat > ask.py <<'PYTHON'
import json, sys, urllib.request

question = urllib.request.Request(sys.argv[1] + sys.argv[2], sys.argv[3].encode() if len(sys.argv) > 3 else None)
question.add_header("content-type", "application/json")
for item in json.load(urllib.request.urlopen(question, timeout=30))["items"]:
    reasons = " and ".join(reason["title"] for reason in item.get("why", []))
    print(f"{item['rank']}. {item['title']}" + (f", because of {reasons}" if reasons else ""))
PYTHON

# 7. What the page asks: curl would do as well.
python ask.py "$address" recommend '{"history": ["000037", "000012"], "k": 3, "explain": 2}'

# 8. Tomorrow: new customers and new SKUs. The run is replaced in one move, and the service takes it up.
graphrec update run --data tomorrow.csv --items items.csv --title name

# 9. Somebody who came tomorrow, of the run and of the service that is still the same process.
graphrec recommend run --user "Dvořák, Antonín 900" -k 3
tomorrow="recommend?user=Dvo%C5%99%C3%A1k%2C%20Anton%C3%ADn%20900&k=3&explain=2"
for _ in $(seq 60); do python ask.py "$address" "$tomorrow" 2> ask.log && break || sleep 0.5; done
