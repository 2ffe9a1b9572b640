"""What people do with the system. The only orchestration: rules are in the core's other modules, I/O behind ports."""

from segmentation_core.usecases.acting import Acting, Client
from segmentation_core.usecases.audiences import Audience, BuildAudience, ExplainPlan, Explanation
from segmentation_core.usecases.changing_passwords import ChangePassword
from segmentation_core.usecases.counting import CountAudiences
from segmentation_core.usecases.managing_presets import ManagePresets, PresetView
from segmentation_core.usecases.managing_users import ManageUsers, NewUser
from segmentation_core.usecases.operating import Operate
from segmentation_core.usecases.reading_audit import ReadAudit
from segmentation_core.usecases.reading_filters import Asked, ReadFilters, Reading
from segmentation_core.usecases.resetting_passwords import ResetOutcome, ResetPassword, SendReset
from segmentation_core.usecases.signing_in import Authenticate, SignIn, SignOut

__all__ = [
    "Acting",
    "Asked",
    "Audience",
    "Authenticate",
    "BuildAudience",
    "ChangePassword",
    "Client",
    "CountAudiences",
    "ExplainPlan",
    "Explanation",
    "ManagePresets",
    "ManageUsers",
    "NewUser",
    "Operate",
    "PresetView",
    "ReadAudit",
    "ReadFilters",
    "Reading",
    "ResetOutcome",
    "ResetPassword",
    "SendReset",
    "SignIn",
    "SignOut",
]
