"""The one place that knows which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import Mapping

from dependency_injector import containers, providers

from adapters.asked_resets import AskedResets
from adapters.builds import BatchedBuilds
from adapters.cache import LruAnswers
from adapters.clock import SystemClock, SystemSecrets
from adapters.devices import SignedDevices
from adapters.mail import mailer_of
from adapters.passwords import BcryptPasswords
from adapters.profiles import load_all
from adapters.session_reads import GatheredReads
from adapters.thinking import ThreadedThinking
from adapters.tokens import JwtTokens
from entrypoints.metrics import CountedBuilds, Metrics, TimedPopulation
from entrypoints.settings import Settings
from segmentation_core.catalog import Catalog
from segmentation_core.planning import Profile
from segmentation_core.population import Population
from segmentation_core.ports import Clock, Secrets, Work
from segmentation_core.usecases import (
    Authenticate,
    ChangePassword,
    ExplainPlan,
    ManagePresets,
    ManageUsers,
    ReadAudit,
    ReadFilters,
    ResetPassword,
    SendReset,
    SignIn,
    SignOut,
)


def _asked_resets(settings: Settings, work: Work, clock: Clock, secrets: Secrets) -> AskedResets:
    """Return what sends the tokens of forgotten passwords; without mail it only logs that it cannot."""
    if not settings.mail:
        return AskedResets(None)
    mailer = mailer_of(settings.mail, settings.mail_from)
    return AskedResets(SendReset(work, mailer, clock, secrets, settings.public_url))


class Container(containers.DeclarativeContainer):
    """Settings, catalogue, population and stores come from main; the rest is made once, when first asked for."""

    settings = providers.Dependency(instance_of=Settings)
    catalog = providers.Dependency(instance_of=Catalog)
    population: providers.Provider[Population] = providers.Dependency()
    work: providers.Provider[Work] = providers.Dependency()

    clock = providers.Singleton(SystemClock)
    secrets = providers.Singleton(SystemSecrets)
    passwords = providers.Singleton(BcryptPasswords, settings.provided.password_cost)
    tokens = providers.Singleton(JwtTokens, settings.provided.token_keys, settings.provided.csrf_key)
    devices = providers.Singleton(SignedDevices, settings.provided.csrf_key)
    thinking = providers.Singleton(ThreadedThinking)
    counting = providers.Singleton(ThreadedThinking)
    builds = providers.Singleton(BatchedBuilds, work)

    session_reads = providers.Singleton(GatheredReads, work)

    sign_in = providers.Singleton(SignIn, work, passwords, tokens, devices, clock, secrets)
    change_password = providers.Singleton(ChangePassword, work, passwords, tokens, devices, clock, secrets)
    asked_resets = providers.Singleton(_asked_resets, settings, work, clock, secrets)
    reset_password = providers.Singleton(ResetPassword, work, passwords, clock)
    sign_out = providers.Singleton(SignOut, work, tokens, clock)
    authenticate = providers.Singleton(Authenticate, work, session_reads, tokens, clock)
    profiles: providers.Provider[Mapping[str, Profile]] = providers.Singleton(load_all)
    read_filters = providers.Singleton(ReadFilters, work, catalog)
    answers = providers.Singleton(LruAnswers, settings.provided.cached_answers)
    metrics = providers.Singleton(Metrics, answers)
    timed_population = providers.Singleton(TimedPopulation, population, metrics)
    build_audience = providers.Singleton(
        CountedBuilds,
        metrics,
        catalog=catalog,
        population=timed_population,
        thinking=thinking,
        clock=clock,
        builds=builds,
        profiles=profiles,
        answers=answers,
    )
    explain_plan = providers.Singleton(ExplainPlan, catalog, thinking, profiles)
    manage_users = providers.Singleton(ManageUsers, work, passwords, clock)
    manage_presets = providers.Singleton(ManagePresets, work, catalog, thinking, clock)
    read_audit = providers.Singleton(ReadAudit, work)
