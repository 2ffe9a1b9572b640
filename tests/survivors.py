"""Mutants that the tests do not notice, each with the reason why that is no gap."""

from __future__ import annotations

from typing import Final

_LOCK = (
    "The stores in memory do one unit of work at a time, so that a lock changes nothing there. That locks make others wait "
    "is held for PostgreSQL by `tests/contract/test_users.py` and `tests/contract/test_state_machine.py`."
)
_TIDY = "It takes away rows that count for nothing any more; what counts is told by the time of each."
_BOUND = "One byte more or less of a bound against absurd lengths; nothing that we sign comes near it."

REASONS: Final[dict[str, str]] = {
    "segmentation_core.usecases.resetting_passwords: await stores.users.by_id(user.id, lock=True)  →  await stores.users.by_id(user.id, lock=False)": _LOCK,
    "segmentation_core.usecases.resetting_passwords: await stores.users.by_id(user.id, lock=True)  →  pass": _LOCK,
    "segmentation_core.usecases.resetting_passwords: await stores.throttle.forget(now - WITHIN)  →  pass": _TIDY,
    "segmentation_core.usecases.changing_passwords: present = _still_there(await stores.users.account(by.user.username, lock=True), by)  →  present = _still_there(await stores.users.account(by.user.username, lock=False), by)": _LOCK,
    "segmentation_core.usecases.signing_in: present = await stores.users.account(attempt.username, lock=True)  →  present = await stores.users.account(attempt.username, lock=False)": _LOCK,
    "segmentation_core.usecases.managing_presets: preset = Preset(id=0, company_id=user.company_id, company_name=user.company_name, owner_id=user.id, created_by_id=user.id, username=user.username, name=name, document=document, created=now, updated=now, version=1, **meaning)  →  preset = Preset(id=1, company_id=user.company_id, company_name=user.company_name, owner_id=user.id, created_by_id=user.id, username=user.username, name=name, document=document, created=now, updated=now, version=1, **meaning)": "The store gives the id, whatever stood there before.",
    "segmentation_core.usecases.managing_users: require_may_change(by.user, before, before)  →  pass": (
        "Accounts above an Admin's are in no Admin's scope, and nobody is above a SuperAdmin: so the rule finds nothing "
        "to refuse here unless scopes break, and stands for that case. `test_nobody_acts_on_a_higher_role` holds the rule."
    ),
    "adapters.devices: _LONGEST: Final = 512  →  _LONGEST: Final = 513": _BOUND,
    "adapters.devices: if not signed or len(signed) > _LONGEST:  →  if not signed or len(signed) >= _LONGEST:": _BOUND,
    "adapters.tokens: _LONGEST_TOKEN: Final = 5120  →  _LONGEST_TOKEN: Final = 5121": _BOUND,
    "adapters.tokens: if len(token) > _LONGEST_TOKEN or not _COMPACT.fullmatch(token):  →  if len(token) >= _LONGEST_TOKEN or not _COMPACT.fullmatch(token):": _BOUND,
    "adapters.tokens: drawn = secrets.token_urlsafe(16)  →  drawn = secrets.token_urlsafe(17)": "More randomness than is needed.",
    "adapters.tokens: return claims.jti if claims.iat <= now.timestamp() + 1 and now.timestamp() < claims.exp else None  →  return claims.jti if claims.iat < now.timestamp() + 1 and now.timestamp() < claims.exp else None": "A second of grace between the clocks of replicas, more or less a microsecond.",
    "adapters.tokens: return claims.jti if claims.iat <= now.timestamp() + 1 and now.timestamp() < claims.exp else None  →  return claims.jti if claims.iat <= now.timestamp() + 2 and now.timestamp() < claims.exp else None": "A second of grace between the clocks of replicas, or two.",
    "adapters.tokens: said = jwt.decode(token, key, algorithms=['HS256'], options={'verify_exp': False, 'verify_iat': False, 'verify_aud': False, 'verify_iss': False})  →  said = jwt.decode(token, key, algorithms=['HS256'], options={'verify_exp': False, 'verify_iat': True, 'verify_aud': False, 'verify_iss': False})": "PyJWT would look at `iat` too, by its own clock; ours is the stricter check.",
    "adapters.tokens: said = jwt.decode(token, key, algorithms=['HS256'], options={'verify_exp': False, 'verify_iat': False, 'verify_aud': False, 'verify_iss': False})  →  said = jwt.decode(token, key, algorithms=['HS256'], options={'verify_exp': False, 'verify_iat': False, 'verify_aud': False, 'verify_iss': True})": "PyJWT would look at `iss` too where it was told one, which it is not; the issuer is checked by us.",
}
"""By the mutant's name: module, statement before and after. One that is noticed by now has to go."""
