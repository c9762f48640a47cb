"""The stage `<platform>/listings` in its three steps, which are the three ops of the asset."""

from marketsync_dagster.stages.channel_run import ChannelRun, stage_name
from marketsync_dagster.stages.planning import plan_outlets
from marketsync_dagster.stages.pushing import push_plans
from marketsync_dagster.stages.recording import record_outlets

__all__ = ["ChannelRun", "plan_outlets", "push_plans", "record_outlets", "stage_name"]
