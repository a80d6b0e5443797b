"""Why a configuration cannot be used."""

from __future__ import annotations

from airflow_provider_omics.account.kinds import CONFIGURATION
from airflow_provider_omics.account.poll import ConfigurationSnapshot
from airflow_provider_omics.healthomics.api.errors import OmicsError
from airflow_provider_omics.healthomics.api.statuses import Phase


class OmicsConfigurationFailedError(OmicsError):
    """A configuration cannot be used, and will never be.

    :ivar configuration: the configuration as it ended.
    """

    def __init__(self, configuration: ConfigurationSnapshot) -> None:
        super().__init__(configuration)
        self.configuration = configuration

    def message(self) -> str:
        """Return cause and remedy, as lines."""
        one = self.configuration
        if one.phase is Phase.DELETED:
            return f"{one.describe()}\nWhat to do: somebody has deleted it meanwhile; clear the task that makes it"
        deletion = CONFIGURATION.command("delete", one.name)
        return (
            f"{one.describe()}; HealthOmics gives no reason\n"
            f"What to do: see that its subnets and security groups exist, in one VPC and each subnet in an "
            f"Availability Zone that HealthOmics supports. Delete it ({deletion}), and clear the task that makes it"
        )
