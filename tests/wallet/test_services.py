"""Permits for one service: made with the account's own refresh token or credentials, one refresh token for all."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from wallet_stage import HOUR, FakeFlow, VirtualClock, make_archive, make_source

from vo_auth import Secret
from vo_auth.archive import Archive, Known, KnownFile
from vo_auth.credentials import KnownFileSource
from vo_auth.errors import CredentialsNotFoundError, PermitExpiredError
from vo_auth.flows import CertificateFile
from vo_auth.wallet import Account, Wallet, Want


@pytest.fixture
def asking(tmp_path: Path) -> FakeFlow:
    """A flow with rotating refresh tokens that asks for permits for one service."""
    flow = FakeFlow(tmp_path / "archive", refresh=True)
    flow.resource_parameter = "resource"  # type: ignore[attr-defined]
    return flow


@pytest.fixture
def base(asking: FakeFlow) -> Want:
    return Want(archive=make_archive(asking), account=Account("alice"))


def for_files(want: Want) -> Want:
    return replace(want, resource="files")


def happened(flow: FakeFlow) -> list[str]:
    log = flow.folder / "log"
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


def test_a_permit_for_one_service_is_kept_beside_the_others(
    make_wallet: Callable[..., Wallet], asking: FakeFlow, base: Want
) -> None:
    asking.refresh = False
    wallet = make_wallet()
    general, special = wallet.permit(base), wallet.permit(for_files(base))
    assert general.grant.permit != special.grant.permit
    assert wallet.permit(for_files(base)) is special
    assert wallet.permit(base) is general
    assert happened(asking) == ["login", "login"]
    later = make_wallet()  # another process reads both from the vault
    assert later.permit(for_files(base)).grant.permit == special.grant.permit
    assert later.permit(base).grant.permit == general.grant.permit
    assert happened(asking) == ["login", "login"]


def test_the_accounts_refresh_token_makes_it_and_its_successor_stays_with_the_account(
    make_wallet: Callable[..., Wallet], asking: FakeFlow, base: Want, clock: VirtualClock
) -> None:
    """Rotation: the old token is spent, so whoever renews next must find the new one."""
    wallet = make_wallet()
    first = wallet.permit(base)
    special = wallet.permit(for_files(base))
    assert happened(asking) == ["login", "renew"]
    assert special.grant.refresh is None
    kept = next(held for held in make_wallet().everything() if held.key == base.key)
    assert kept.grant.refresh not in (None, first.grant.refresh)
    assert kept.grant.permit == first.grant.permit
    assert not kept.redeeming
    clock.go_on(9 * HOUR)
    wallet.permit(base)
    wallet.permit(for_files(base))
    assert happened(asking) == ["login", "renew", "renew", "renew"]  # no token was sent twice


def test_the_successor_is_on_disk_before_the_permit_is_used(
    make_wallet: Callable[..., Wallet], asking: FakeFlow, base: Want
) -> None:
    wallet = make_wallet()
    first = wallet.permit(base)
    assert first.grant.refresh is not None
    seen: list[bool] = []

    def look(_: Any) -> None:
        kept = next(held for held in make_wallet().everything() if held.key == base.key)
        seen.append(bool(kept.redeeming))  # the start mark, while the answer is under way

    asking.on_renewed = look
    wallet.permit(for_files(base))
    assert seen == [True]


def test_a_refused_refresh_token_falls_back_to_credentials_and_is_not_sent_again(
    make_wallet: Callable[..., Wallet], asking: FakeFlow, base: Want
) -> None:
    wallet = make_wallet()
    token = wallet.permit(base).grant.refresh
    assert token is not None
    (asking.folder / token.reveal()).unlink()  # spent elsewhere
    wallet.permit(for_files(base))
    assert happened(asking) == ["login", "renew", "refused", "login"]
    kept = next(held for held in wallet.everything() if held.key == base.key)
    assert kept.grant.refresh is None


def test_flows_that_cannot_ask_for_a_service_are_not_used_for_one(wallet: Wallet, want: Want) -> None:
    with pytest.raises(CredentialsNotFoundError, match="one service alone"):
        wallet.permit(for_files(want))


def test_logout_forgets_them_as_well(make_wallet: Callable[..., Wallet], asking: FakeFlow, base: Want) -> None:
    wallet = make_wallet()
    wallet.permit(base)
    wallet.permit(for_files(base))
    assert len(wallet.logout(base.archive.name)) == 2
    assert wallet.everything() == make_wallet().everything() == []


# ------------------------------------------------------------------ certificates that have ended


def certificate(folder: Path, clock: VirtualClock, *, ends_in: float) -> Path:
    end = datetime.datetime.fromtimestamp(clock.true + ends_in, datetime.UTC)
    leaf = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert(
        "alice", not_before=end - datetime.timedelta(days=7), not_after=end, key_type=trustme.KeyType.ECDSA
    )
    path = folder / "proxy.pem"
    path.write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
    path.chmod(0o600)
    return path


def with_certificate(archive: Archive, path: Path) -> Archive:
    known = KnownFile(path=str(path), read=lambda text: {"certificate": Secret(text)})
    return replace(archive, flows=(CertificateFile(), *archive.flows), known=Known(files=(known,)))


@pytest.mark.parametrize(("ends_in", "kind", "logins"), [(HOUR, "certificate", []), (-HOUR, "bearer", ["login"])])
def test_a_certificate_that_has_ended_is_passed_over_for_the_next_flow(
    make_wallet: Callable[..., Wallet],
    archive: Archive,
    flow: FakeFlow,
    tmp_path: Path,
    clock: VirtualClock,
    ends_in: float,
    kind: str,
    logins: list[str],
) -> None:
    archive = with_certificate(archive, certificate(tmp_path, clock, ends_in=ends_in))
    held = make_wallet(KnownFileSource(), make_source("alice", rank=70)).permit(Want(archive=archive))
    assert held.grant.permit.kind == kind
    assert happened(flow) == logins


def test_with_nothing_else_the_error_names_the_file_and_the_end(
    make_wallet: Callable[..., Wallet], archive: Archive, tmp_path: Path, clock: VirtualClock
) -> None:
    path = certificate(tmp_path, clock, ends_in=-HOUR)
    archive = replace(with_certificate(archive, path), flows=(CertificateFile(),))
    with pytest.raises(PermitExpiredError, match=r"\d{4}-\d\d-\d\d \d\d:\d\d UTC") as caught:
        make_wallet(KnownFileSource()).permit(Want(archive=archive, interactive=False))
    assert str(path) in str(caught.value)
