"""For users of the library: load, count, plan, explain, plot. Run it cell by cell in a notebook, or whole.

python examples/library.py [picture.png]
"""

# %% Load the catalogue and the customers: the demo's, which come with the package.
import sys

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from adapters.population import BitmapIndex
from adapters.profiles import load
from entrypoints import demo
from segmentation_core import Catalog, explain, parse_filter, plan_audience, plan_text, relation

catalog = Catalog.from_json(demo.CATALOG.read_bytes())
customers = BitmapIndex.load(catalog, demo.CUSTOMERS)
print(f"{catalog.title}: {customers.rows:,} customers, {len(catalog.segments)} lists")

# %% Count: who is between 20 and 40, and holds a car policy?
wanted = parse_filter({"age": ["20-30", "30-40"], "policies": ["car"]}, catalog)
size = customers.size(wanted)
print(f"{size:,} people")

# %% Another wording, the same people: filters are compared by meaning.
same = parse_filter({"and": [{"not": {"age": ["40-50", "50-60", "60-70", "70-80"]}}, {"policies": ["car"]}]}, catalog)
print(
    f"the two are {relation(wanted, same).kind}; their fingerprints are equal: {wanted.fingerprint == same.fingerprint}"
)

# %% Plan: the lists to include and to exclude that mean exactly this.
plan = plan_audience(wanted, catalog)
assert plan.exact
assert customers.plan_size(plan).total == size
print(plan_text(plan, explain(plan.clauses, catalog)))

# %% Plan for a platform, whose limits are data.
meta = plan_audience(wanted, catalog, profile=load("meta"))
print(*meta.notes, sep="\n")

# %% Explain the audience: what each condition costs, and where it differs from everybody.
for cost in customers.impact(wanted).conditions:
    print(f"without {' and '.join(cost.dimensions)}: {cost.cost:,} more")
profile = customers.profile(wanted).profile
differing = sorted(
    (share.index, f"{dimension} {value}")
    for dimension, values in profile.items()
    for value, share in values.items()
    if share.index is not None and share.size >= 50 and dimension not in {"age", "policies"}
)

# %% Plot what stands out, into a file.
shown = differing[:5] + differing[-5:]
figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
axes.barh([name for _, name in shown], [index - 100 for index, _ in shown], left=100)
axes.axvline(100, color="black", linewidth=0.8)
axes.set_xlabel("index (100 = as in the population)")
axes.set_title(f"{size:,} customers aged 20 to 40 with a car policy")
picture = sys.argv[1] if len(sys.argv) > 1 else "audience.png"
figure.savefig(picture)
print(f"{picture} is written")
