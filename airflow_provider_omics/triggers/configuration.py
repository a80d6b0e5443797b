"""Waiting for a configuration in the triggerer."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow_provider_omics.account.poll import ConfigurationPoll, ConfigurationSnapshot
from airflow_provider_omics.triggers.base import OmicsResourceTrigger


class OmicsConfigurationTrigger(OmicsResourceTrigger[ConfigurationSnapshot]):
    """Wait until a configuration is ACTIVE or never will be, and fire one event that says how.

    See https://docs.aws.amazon.com/omics/latest/api/API_GetConfiguration.html

    :param name: name of the configuration. Required.
    :param just_started: whether the service has named it just now and may not show it yet; then it may be not found for
        a minute, and counts as known otherwise. Default ``False``.
    :param gone_is_end: whether one that is not found counts as ended; it was changed by the task, so it is known.
        Default ``False``.
    :param waiter_delay: seconds between two polls, 0.01 to 604,800. Triggers of one connection are polled together, so
        it says how old what they know may be, as far as the budget of calls allows. Default ``30``.
    :param waiter_max_attempts: most polls that are answered, 1 or more; None for no limit. A triggerer that restarts
        counts from the beginning.
    :param error_budget: seconds for which errors are put up with before the wait ends, 0 or more; of any kind once the
        service has answered, before that only of those that pass by themselves. Default ``3600``.
    :param is_known: whether the service has answered about it before, to the task. Default ``False``.
    :param deadline: when to stop waiting, in seconds since the epoch; None for never.
    :param resume_state: what the task has to know to finish, as JSON values; comes back in the event under
        ``resume_state``. None for nothing, and then the event has no such key.
    :param aws_conn_id: Airflow connection of type ``aws``; None for boto3's own credential chain. Default
        ``aws_default``.
    :param region_name: AWS Region, such as ``us-east-1``; None for the connection's.
    :param verify: whether TLS certificates are checked, or the path of the CA bundle to check them with; None for
        boto3's default.
    :param botocore_config: settings for botocore's ``Config``, as a dict, merged over the connection's
        ``config_kwargs``; None for none.
    """

    arguments: ClassVar[tuple[str, ...]] = ("name",)

    def __init__(self, *, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name

    def new_poll(self) -> ConfigurationPoll:
        """Return how to look at it."""
        return ConfigurationPoll(self.name)
