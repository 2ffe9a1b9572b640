"""What the OpenAPI document shows of the demo: what a client sends, and what it is answered, by operation."""

from __future__ import annotations

from typing import Any, Final

_FILTER: Final = {"audienceFilters": {"age": ["30-40", "40-50"], "household_size": ["3"], "main_type": []}}

REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "signIn": {"username": "analyst", "password": "correct horse battery"},
    "changePassword": {"current_password": "correct horse battery", "new_password": "four other plain words"},
    "forgotPassword": {"username": "ana@example.com"},
    "resetPassword": {"token": "as-it-stands-in-the-mail", "new_password": "four other plain words"},
    "buildAudience": {**_FILTER, "segments": {}, "metadata": {}},
    "sizeAudience": _FILTER,
    "facetAudience": _FILTER,
    "profileAudience": _FILTER,
    "impactOfConditions": _FILTER,
    "overlapAudiences": {"filters": [{"age": ["20-30", "30-40"]}, {"policies": ["car"]}]},
    "explainAudience": {"filter": {"dimension": "age", "in": ["20-30", "30-40"]}, "profile": "meta"},
    "createUser": {
        "firstName": "Ana",
        "lastName": "Analyst",
        "username": "ana",
        "password": "correct horse battery",
        "role": "User",
        "status": "active",
        "dsp": False,
    },
    "changeUser": {"role": "Manager", "status": "active", "password": ""},
    "createPreset": {"preset_name": "Families of three", "preset_filter_json": _FILTER},
    "changePreset": {"preset_name": "Small families"},
    "revertPreset": {"version": 1},
}
"""What a client sends."""

_NOON: Final = "2026-11-25T12:00:00Z"
_SIGNED_IN: Final = {
    "id": 3,
    "username": "analyst",
    "role": "User",
    "first_name": "Ana",
    "last_name": "Analyst",
    "company_name": "Demo",
    "dsp": False,
}
_USER: Final = {
    "id": 9,
    "first_name": "Ana",
    "last_name": "Analyst",
    "company_name": "Demo",
    "username": "ana",
    "role": "User",
    "status": "active",
    "dsp": False,
    "created_date": _NOON,
    "last_login_date": None,
    "created_by_id": 2,
}
_PRESET: Final = {
    "preset_id": 6,
    "company_name": "Demo",
    "username": "analyst",
    "preset_name": "Families of three",
    "preset_filter_json": _FILTER,
    "created_date": _NOON,
    "created_by_id": 3,
    "updated_date": _NOON,
    "version": 1,
    "valid": True,
    "problems": [],
    "same_as": [],
}
_PAGE: Final = {"current_page": 1, "limit": 10, "total_count": 1, "total_pages": 1}
_READ: Final = {"source": "the plain form of include and exclude lists, docs/planning.md", "date": "2026-11-24"}
_UNLIMITED: Final = {"value": "unlimited", **_READ}
_FINGERPRINT: Final = "95db4174dd24320a6a1c715b04330bf3"
_EXCLUDED: Final = ["age_20-30", "age_50-60", "age_60-70", "age_70-80"]

ANSWERS: Final[dict[str, Any]] = {
    "getStatus": {"message": "Audience segmentation", "version": "0.1.0", "status": "running"},
    "getHealth": {"status": "healthy", "message": "The service is running."},
    "getReadiness": {"status": "ready", "dependencies": {"database": "up"}},
    "signIn": {"message": "You are signed in.", "user": _SIGNED_IN},
    "signOut": {"message": "You are signed out."},
    "whoAmI": {"user": _SIGNED_IN},
    "whoAmIFlat": {
        "message": "You are signed in.",
        "user_id": 3,
        "user_name": "analyst",
        "company_name": "Demo",
        "role": "User",
        "dsp": False,
    },
    "changePassword": {"message": "Your password is changed."},
    "forgotPassword": {"message": "If that is the mail address of an account, a mail is on its way to it."},
    "resetPassword": {"message": "Your password is changed; please sign in with it."},
    "buildAudience": {
        "audienceCount": 2461,
        "inclusionSegments": ["household_size_3"],
        "exclusionSegments": _EXCLUDED,
        "exact": True,
        "message": "2,461 people. One ad set: include 1 list, exclude 4.",
        "clauses": [{"include": [["household_size_3"]], "exclude": _EXCLUDED, "direct": {}, "count": 2461}],
        "certificate": {"clauses": 1, "segments": 5, "lower_bound": {"clauses": 1, "segments": 5}},
        "metadata": {
            "built_at": _NOON,
            "built_by": "analyst",
            "catalog": "caravan 1",
            "fingerprint": _FINGERPRINT,
            "total_inclusion": 1,
            "total_exclusion": 4,
        },
        "profile": "include-exclude",
        "notes": [],
    },
    "explainAudience": {
        "plan": {
            "exact": True,
            "clauses": [{"include": [["age_20-30", "age_30-40"]], "exclude": [], "direct": {}}],
            "certificate": {"clauses": 1, "segments": 2, "lower_bound": {"clauses": 1, "segments": 1}},
            "fingerprint": "459519235d0ae6fb303f91a21041bb19",
            "reason": None,
            "profile": "meta",
            "notes": ["Meta: how many lists an ad set may include is not known."],
        },
        "explanation": [
            {
                "clause": 1,
                "use": "include",
                "group": 1,
                "segment": "age_20-30",
                "why": "included, because age 20-30, 30-40 is wanted",
            }
        ],
    },
    "sizeAudience": {"size": 2461},
    "facetAudience": {"size": 2461, "facets": {"household_size": {"1": 127, "2": 1114, "3": 2461, "4": 682}}},
    "profileAudience": {
        "size": 2461,
        "population": 5822,
        "profile": {
            "main_type": {
                "farmers": {
                    "size": 169,
                    "population": 276,
                    "share": 0.0687,
                    "population_share": 0.0474,
                    "index": 144.86,
                }
            }
        },
    },
    "overlapAudiences": {
        "sizes": [1526, 2977],
        "union": 3708,
        "intersections": [
            {"filters": [0], "size": 1526, "only": 731},
            {"filters": [1], "size": 2977, "only": 2182},
            {"filters": [0, 1], "size": 795, "only": 795},
        ],
    },
    "impactOfConditions": {
        "size": 2461,
        "conditions": [
            {"position": 0, "dimensions": ["age"], "without": 2646, "cost": 185},
            {"position": 1, "dimensions": ["household_size"], "without": 4452, "cost": 1991},
        ],
    },
    "getCatalog": {
        "name": "caravan",
        "version": "1",
        "dimensions": [
            {
                "id": "age",
                "label": "Average age in the area",
                "group": "Household",
                "kind": "single",
                "ordered": True,
                "column": "MGEMLEEF",
                "values": [{"id": "20-30", "label": "20-30 years", "code": 1}],
            }
        ],
        "segments": [{"id": "age_{age}", "for_each": ["age"]}],
    },
    "listPlatformProfiles": {
        "profiles": [
            {
                "id": "include-exclude",
                "name": "Include and exclude",
                "version": "1",
                "include_groups": {"value": 1, **_READ},
                "lists_per_group": _UNLIMITED,
                "include_lists": _UNLIMITED,
                "exclude_lists": _UNLIMITED,
                "clauses": _UNLIMITED,
                "lists": _UNLIMITED,
                "minimum_size": {"value": 0, **_READ},
                "shared_lists": {"value": True, **_READ},
                "empty_include_is_everyone": {"value": False, **_READ},
                "united_with": {"value": "nobody", **_READ},
            }
        ],
        "count": 1,
    },
    "listUsers": {"users": [_USER]},
    "findUsers": {"users": [_USER], "pagination": _PAGE},
    "createUser": {"message": "The user is created.", "user": _USER},
    "changeUser": {"message": "The user is changed.", "user": {**_USER, "role": "Manager"}},
    "deleteUser": {"message": "The user is deleted."},
    "findPresets": {"presets": [_PRESET], "pagination": _PAGE},
    "createPreset": {"message": "The preset is saved.", "preset": _PRESET},
    "listPresets": {
        "presets": [{"preset_id": 6, "preset_name": "Families of three", "created_date": _NOON}],
        "count": 1,
    },
    "listPresetsOfUser": {"presets": [_PRESET], "count": 1},
    "getPreset": {"preset": _PRESET},
    "changePreset": {
        "message": "The preset is changed.",
        "preset": {**_PRESET, "preset_name": "Small families", "version": 2},
    },
    "deletePreset": {"message": "The preset is deleted."},
    "listPresetVersions": {
        "versions": [
            {
                "version": 1,
                "preset_name": "Families of three",
                "preset_filter_json": _FILTER,
                "changed_date": _NOON,
                "changed_by": "analyst",
            }
        ],
        "count": 1,
        "pagination": _PAGE,
    },
    "revertPreset": {
        "message": "The preset is again what it was at version 1.",
        "preset": {**_PRESET, "version": 3},
    },
    "readAudit": {
        "records": [
            {
                "number": 37,
                "action": "audience built",
                "actor": "analyst",
                "actor_id": 3,
                "subject": f"audience {_FINGERPRINT}",
                "before": None,
                "after": {
                    "fingerprint": _FINGERPRINT,
                    "size": 2461,
                    "catalog": "caravan 1",
                    "profile": "include-exclude",
                },
                "at": _NOON,
                "request_id": "8ed44402b05803d6",
                "seal": "e30f1d7510860585b94393bbbf54ed00f558c4707554a1fe578f2090966553f6",
                "company": 1,
            }
        ],
        "pagination": _PAGE,
    },
}
"""What a client is answered, facets, profiles and the catalogue in extracts."""
