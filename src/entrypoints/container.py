"""The one place that knows which adapter stands behind which port."""

from __future__ import annotations

from dependency_injector import containers, providers

from adapters.clock import SystemClock, SystemSecrets
from adapters.memory import MemorySessions, MemoryUsers
from adapters.passwords import BcryptPasswords
from adapters.tokens import JwtTokens
from entrypoints.settings import Settings
from segmentation_core.catalog import Catalog
from segmentation_core.population import Population
from segmentation_core.usecases import Authenticate, BuildAudience, SignIn, SignOut


class Container(containers.DeclarativeContainer):
    """Settings, catalogue and population come from main; the rest is made once, when first asked for."""

    settings = providers.Dependency(instance_of=Settings)
    catalog = providers.Dependency(instance_of=Catalog)
    population: providers.Provider[Population] = providers.Dependency()

    clock = providers.Singleton(SystemClock)
    secrets = providers.Singleton(SystemSecrets)
    users = providers.Singleton(MemoryUsers)
    sessions = providers.Singleton(MemorySessions)
    passwords = providers.Singleton(BcryptPasswords, settings.provided.password_cost)
    tokens = providers.Singleton(JwtTokens, settings.provided.token_keys, settings.provided.csrf_key)

    sign_in = providers.Singleton(SignIn, users, sessions, passwords, tokens, clock, secrets)
    sign_out = providers.Singleton(SignOut, sessions, tokens, clock)
    authenticate = providers.Singleton(Authenticate, users, sessions, tokens, clock)
    build_audience = providers.Singleton(BuildAudience, catalog, population, clock)
