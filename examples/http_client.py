"""For users of the HTTP API, with httpx: sign in, count, build, save, download.

make run                                            # in another terminal; it prints the password
python examples/http_client.py http://127.0.0.1:8000 analyst PASSWORD [lists.csv]
"""

import sys
from pathlib import Path

import httpx

address, username, password = sys.argv[1:4]
file = Path(sys.argv[4] if len(sys.argv) > 4 else "lists.csv")

with httpx.Client(base_url=address, timeout=20) as client:
    # Sign in. The session comes in two cookies, which the client keeps; every later call carries one of them as a
    # header too, so that no other page can make it.
    answer = client.post("/api/auth/login", json={"username": username, "password": password})
    if answer.is_error:
        sys.exit(answer.json()["error"])
    client.headers["X-CSRF-TOKEN"] = client.cookies["csrf_token"]
    print(f"signed in as {answer.json()['user']['username']}")

    # What can be asked for, and what each choice would come to.
    catalog = client.get("/api/catalog").raise_for_status().json()
    wanted = {"age": ["20-30", "30-40"], "policies": ["car"]}
    facets = client.post("/api/audience/facets", json={"audienceFilters": wanted}).raise_for_status().json()
    instead = facets["facets"]["policies"]["lorry"]
    print(f"{catalog['name']}: {facets['size']:,} people; {instead:,} if it were a policy for a lorry")

    # Build: the size and the lists that say it.
    built = client.post("/api/build-audience", json={"audienceFilters": wanted}).raise_for_status().json()
    print(built["message"])
    print("include", built["inclusionSegments"], "exclude", built["exclusionSegments"])

    # What is wrong is told with its place.
    refused = client.post("/api/build-audience", json={"audienceFilters": {"agee": ["20-30"]}})
    for problem in refused.json()["errors"]:
        print(f"{refused.status_code}: {problem['path']}: {problem['message']}; expected {problem['expected']}")

    # Save the filter, and use it inside another one.
    body = {"preset_name": f"young drivers of {username}", "preset_filter_json": {"audienceFilters": wanted}}
    saved = client.post("/api/presets", json=body)
    if saved.status_code == httpx.codes.CONFLICT:
        sys.exit(saved.json()["error"])
    preset = saved.raise_for_status().json()["preset"]
    narrower = {"filter": {"and": [{"preset": preset["preset_id"]}, {"caravan": ["yes"]}]}}
    print(client.post("/api/audience/size", json=narrower).raise_for_status().json()["size"], "of them own a caravan")

    # Change it only if nobody else has: its ETag names its version.
    tag = client.get(f"/api/presets/{preset['preset_id']}").headers["ETag"]
    change = {"preset_name": f"drivers of {username}"}
    client.put(f"/api/presets/{preset['preset_id']}", json=change, headers={"If-Match": tag}).raise_for_status()
    late = client.put(f"/api/presets/{preset['preset_id']}", json=change, headers={"If-Match": tag})
    print(f"{late.status_code}: {late.json()['error']}")

    # The lists as a table, to be uploaded or handed on.
    table = client.post("/api/build-audience", json={"audienceFilters": wanted}, headers={"Accept": "text/csv"})
    file.write_bytes(table.raise_for_status().content)
    print(f"{file} is written")

    client.delete(f"/api/presets/{preset['preset_id']}").raise_for_status()
    client.post("/api/auth/logout")
