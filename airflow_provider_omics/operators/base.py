"""What every HealthOmics operator has: its connection parameters and its hook."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_omics.healthomics.calls import Steps, T, perform
from airflow_provider_omics.healthomics.service_errors import CREDENTIALS_REFUSED, Nature, error_code, nature
from airflow_provider_omics.hooks.parameters import ConnectionParameters
from airflow_provider_omics.operators.templates import LiteralTextMixin

if TYPE_CHECKING:
    from airflow_provider_omics.hooks.omics import OmicsHook


class OmicsBaseOperator(LiteralTextMixin):
    """Base of the HealthOmics operators.

    Its parameters are described in :mod:`airflow_provider_omics.hooks.parameters`.
    """

    ui_color = "#d8f0e6"

    def __init__(
        self,
        *,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config

    @cached_property
    def hook(self) -> OmicsHook:
        """The hook, made when it is first needed."""
        return ConnectionParameters.of(self).hook()

    def ask(self, steps: Steps[T]) -> T:
        """Hold a conversation with the API; errors are botocore's.

        After an error that another client may not have, such as refused credentials, the next call gets a new one,
        made with the connection as it is then.
        """
        try:
            return perform(self.hook.conn, steps)
        except Exception as error:
            if nature(error) is Nature.LASTING or error_code(error) in CREDENTIALS_REFUSED:
                self.hook.renew()
            raise
