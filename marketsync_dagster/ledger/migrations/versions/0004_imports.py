"""Imports that end later than the call that starts them, and what read-backs find."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of imports and of read-backs; nothing that was recorded before changes."""
    op.create_table(
        "push_import",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("import_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=True),
        sa.Column("looked_at", sa.Text(), nullable=True),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.Column("lines_in_error", sa.Integer(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_import")),
    )
    op.create_index(
        op.f("ix_push_import_account_state"), "push_import", ["account", "state"], unique=False
    )
    op.create_table(
        "push_import_part",
        sa.Column("push_id", sa.Text(), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("import_key", sa.Text(), nullable=False),
        sa.Column("first_line", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("push_id", "batch", name=op.f("pk_push_import_part")),
    )
    op.create_index(
        op.f("ix_push_import_part_import_key"), "push_import_part", ["import_key"], unique=False
    )
    op.create_table(
        "reconciliation",
        sa.Column("outlet", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("platform_sku", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "outlet", "platform", "sku", "platform_sku", name=op.f("pk_reconciliation")
        ),
    )
    op.create_index(
        op.f("ix_reconciliation_platform_verdict"),
        "reconciliation",
        ["platform", "verdict"],
        unique=False,
    )
