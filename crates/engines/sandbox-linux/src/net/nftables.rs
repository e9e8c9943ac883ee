//! The rules that turn a sandbox's traffic to our sockets: nf_tables over netlink, without `nft` or a library.
//!
//! ```text
//! table ip lacewing {
//!     chain raw { type filter hook output priority raw
//!         ip daddr 127.0.0.0/8 notrack          # loopback, the door too, costs no connection tracking
//!     }
//!     chain out { type nat hook output priority dstnat      # sees the first packet of each connection
//!         limit rate over 100/second burst 1000 drop        # one sandbox cannot fill the kernel's table
//!         ip daddr 169.254.100.2 accept                     # the sandbox itself
//!         meta l4proto tcp redirect to :1
//!         meta l4proto udp udp dport 53 redirect to :53
//!         drop                                              # send() fails at once with EPERM
//!     }
//! }
//! ```

use super::netlink::{Attributes, Batch, Netlink, short};
use super::routes::OWN_ADDRESS;
use header::*;
use std::io;
use std::net::Ipv4Addr;

/// Where the listener for everything TCP listens; below 1024, so no function could want it for itself.
pub(super) const EGRESS_PORT: u16 = 1;
/// DNS.
pub(super) const DNS_PORT: u16 = 53;

/// New connections per second of one sandbox that go on without delay, and how many at once. A closed
/// connection stays in the kernel's table for two minutes, so this bounds a sandbox to 13,000 entries, some 5 MiB.
const NEW_PER_SECOND_MAX: u64 = 100;
const NEW_AT_ONCE_MAX: u32 = 1_000;

const TABLE: &str = "lacewing";
const RAW_CHAIN: &str = "raw";
const OUT_CHAIN: &str = "out";

/// Where the IPv4 header holds the destination.
const DESTINATION_AT: u32 = 16;
/// Where the UDP header holds the destination port.
const DESTINATION_PORT_AT: u32 = 2;

/// Puts the rules in force in the network namespace that the calling thread is in, all or none.
///
/// # Errors
/// The kernel's refusal; `ENOENT` or `EOPNOTSUPP` where it lacks a part (see `netns::egress_support`).
pub(super) fn turn_traffic_inwards() -> io::Result<()> {
    let mut batch = Batch::new();
    edge(&mut batch, libc::NFNL_MSG_BATCH_BEGIN);
    add(&mut batch, libc::NFT_MSG_NEWTABLE, 0, |table| table.text(NFTA_TABLE_NAME, TABLE));
    chain(&mut batch, RAW_CHAIN, "filter", libc::NF_IP_PRI_RAW);
    rule(&mut batch, RAW_CHAIN, 0, |rule| {
        packet(rule, libc::NFT_PAYLOAD_NETWORK_HEADER, DESTINATION_AT, 1);
        equals(rule, &[Ipv4Addr::LOCALHOST.octets()[0]]); // the first byte is all of 127.0.0.0/8
        expression(rule, "notrack", |_| {});
    });
    chain(&mut batch, OUT_CHAIN, "nat", libc::NF_IP_PRI_NAT_DST);
    rule(&mut batch, OUT_CHAIN, 0, |rule| {
        over_limit(rule);
        verdict(rule, libc::NF_DROP);
    });
    rule(&mut batch, OUT_CHAIN, 0, |rule| {
        packet(rule, libc::NFT_PAYLOAD_NETWORK_HEADER, DESTINATION_AT, 4);
        equals(rule, &OWN_ADDRESS.octets());
        verdict(rule, libc::NF_ACCEPT);
    });
    rule(&mut batch, OUT_CHAIN, 0, |rule| {
        protocol(rule, libc::IPPROTO_TCP);
        redirect(rule, EGRESS_PORT);
    });
    rule(&mut batch, OUT_CHAIN, 0, |rule| {
        protocol(rule, libc::IPPROTO_UDP);
        packet(rule, libc::NFT_PAYLOAD_TRANSPORT_HEADER, DESTINATION_PORT_AT, 2);
        equals(rule, &DNS_PORT.to_be_bytes());
        redirect(rule, DNS_PORT);
    });
    rule(&mut batch, OUT_CHAIN, libc::NLM_F_ACK, |rule| verdict(rule, libc::NF_DROP));
    edge(&mut batch, libc::NFNL_MSG_BATCH_END);
    Netlink::netfilter()?.carry_out(&batch)
}

/// The begin or end of a transaction. `struct nfgenmsg`, its resource the subsystem.
fn edge(batch: &mut Batch, kind: libc::c_int) {
    let [high, low] = short(libc::NFNL_SUBSYS_NFTABLES).to_be_bytes();
    batch.request(short(kind), 0, &[libc::AF_UNSPEC as u8, NFNETLINK_V0, high, low], |_| {});
}

fn add(batch: &mut Batch, kind: libc::c_int, flags: libc::c_int, fill: impl FnOnce(&mut Attributes<'_>)) {
    let kind = short(libc::NFNL_SUBSYS_NFTABLES) << 8 | short(kind);
    batch.request(kind, libc::NLM_F_CREATE | flags, &[libc::NFPROTO_IPV4 as u8, NFNETLINK_V0, 0, 0], fill);
}

fn chain(batch: &mut Batch, name: &str, kind: &str, priority: libc::c_int) {
    add(batch, libc::NFT_MSG_NEWCHAIN, 0, |chain| {
        chain.text(NFTA_CHAIN_TABLE, TABLE);
        chain.text(NFTA_CHAIN_NAME, name);
        chain.nested(NFTA_CHAIN_HOOK, |hook| {
            hook.network(NFTA_HOOK_HOOKNUM, libc::NF_INET_LOCAL_OUT.cast_unsigned());
            hook.network(NFTA_HOOK_PRIORITY, priority.cast_unsigned());
        });
        chain.text(NFTA_CHAIN_TYPE, kind);
    });
}

fn rule(batch: &mut Batch, chain: &str, flags: libc::c_int, fill: impl FnOnce(&mut Attributes<'_>)) {
    add(batch, libc::NFT_MSG_NEWRULE, libc::NLM_F_APPEND | flags, |rule| {
        rule.text(NFTA_RULE_TABLE, TABLE);
        rule.text(NFTA_RULE_CHAIN, chain);
        rule.nested(NFTA_RULE_EXPRESSIONS, fill);
    });
}

fn expression(rule: &mut Attributes<'_>, name: &str, fill: impl FnOnce(&mut Attributes<'_>)) {
    rule.nested(NFTA_LIST_ELEM, |element| {
        element.text(NFTA_EXPR_NAME, name);
        element.nested(NFTA_EXPR_DATA, fill);
    });
}

/// Loads `bytes` of a header of the packet into the register.
fn packet(rule: &mut Attributes<'_>, header: libc::c_int, offset: u32, bytes: u32) {
    expression(rule, "payload", |payload| {
        payload.network(NFTA_PAYLOAD_DREG, REGISTER);
        payload.network(NFTA_PAYLOAD_BASE, header.cast_unsigned());
        payload.network(NFTA_PAYLOAD_OFFSET, offset);
        payload.network(NFTA_PAYLOAD_LEN, bytes);
    });
}

/// Goes on when the packet's transport protocol is this one.
fn protocol(rule: &mut Attributes<'_>, number: libc::c_int) {
    expression(rule, "meta", |meta| {
        meta.network(NFTA_META_DREG, REGISTER);
        meta.network(NFTA_META_KEY, libc::NFT_META_L4PROTO.cast_unsigned());
    });
    equals(rule, &[number as u8]);
}

/// Goes on when the register holds `value`.
fn equals(rule: &mut Attributes<'_>, value: &[u8]) {
    expression(rule, "cmp", |compare| {
        compare.network(NFTA_CMP_SREG, REGISTER);
        compare.network(NFTA_CMP_OP, libc::NFT_CMP_EQ.cast_unsigned());
        compare.nested(NFTA_CMP_DATA, |data| data.bytes(NFTA_DATA_VALUE, value));
    });
}

/// Goes on when there are more new connections than the limit.
fn over_limit(rule: &mut Attributes<'_>) {
    expression(rule, "limit", |limit| {
        limit.network_wide(NFTA_LIMIT_RATE, NEW_PER_SECOND_MAX);
        limit.network_wide(NFTA_LIMIT_UNIT, 1); // second
        limit.network(NFTA_LIMIT_BURST, NEW_AT_ONCE_MAX);
        limit.network(NFTA_LIMIT_TYPE, libc::NFT_LIMIT_PKTS.cast_unsigned());
        limit.network(NFTA_LIMIT_FLAGS, libc::NFT_LIMIT_F_INV.cast_unsigned());
    });
}

/// Ends the rule, and the way of the packet.
fn verdict(rule: &mut Attributes<'_>, code: libc::c_int) {
    expression(rule, "immediate", |immediate| {
        immediate.network(NFTA_IMMEDIATE_DREG, libc::NFT_REG_VERDICT.cast_unsigned());
        immediate.nested(NFTA_IMMEDIATE_DATA, |data| {
            data.nested(NFTA_DATA_VERDICT, |verdict| verdict.network(NFTA_VERDICT_CODE, code.cast_unsigned()));
        });
    });
}

/// Turns the connection to this port of 127.0.0.1.
fn redirect(rule: &mut Attributes<'_>, port: u16) {
    expression(rule, "immediate", |immediate| {
        immediate.network(NFTA_IMMEDIATE_DREG, REGISTER);
        immediate.nested(NFTA_IMMEDIATE_DATA, |data| data.bytes(NFTA_DATA_VALUE, &port.to_be_bytes()));
    });
    expression(rule, "redir", |redirect| redirect.network(NFTA_REDIR_REG_PROTO_MIN, REGISTER));
}

/// Names from `linux/netfilter/nf_tables.h` and `nfnetlink.h` that `libc` does not have.
mod header {
    pub(super) const NFNETLINK_V0: u8 = 0;
    /// `NFT_REG_1`: one register does for all our rules.
    pub(super) const REGISTER: u32 = libc::NFT_REG_1 as u32;

    pub(super) const NFTA_LIST_ELEM: u16 = 1;
    pub(super) const NFTA_HOOK_HOOKNUM: u16 = 1;
    pub(super) const NFTA_HOOK_PRIORITY: u16 = 2;
    pub(super) const NFTA_TABLE_NAME: u16 = 1;
    pub(super) const NFTA_CHAIN_TABLE: u16 = 1;
    pub(super) const NFTA_CHAIN_NAME: u16 = 3;
    pub(super) const NFTA_CHAIN_HOOK: u16 = 4;
    pub(super) const NFTA_CHAIN_TYPE: u16 = 7;
    pub(super) const NFTA_RULE_TABLE: u16 = 1;
    pub(super) const NFTA_RULE_CHAIN: u16 = 2;
    pub(super) const NFTA_RULE_EXPRESSIONS: u16 = 4;
    pub(super) const NFTA_EXPR_NAME: u16 = 1;
    pub(super) const NFTA_EXPR_DATA: u16 = 2;
    pub(super) const NFTA_DATA_VALUE: u16 = 1;
    pub(super) const NFTA_DATA_VERDICT: u16 = 2;
    pub(super) const NFTA_VERDICT_CODE: u16 = 1;
    pub(super) const NFTA_IMMEDIATE_DREG: u16 = 1;
    pub(super) const NFTA_IMMEDIATE_DATA: u16 = 2;
    pub(super) const NFTA_CMP_SREG: u16 = 1;
    pub(super) const NFTA_CMP_OP: u16 = 2;
    pub(super) const NFTA_CMP_DATA: u16 = 3;
    pub(super) const NFTA_PAYLOAD_DREG: u16 = 1;
    pub(super) const NFTA_PAYLOAD_BASE: u16 = 2;
    pub(super) const NFTA_PAYLOAD_OFFSET: u16 = 3;
    pub(super) const NFTA_PAYLOAD_LEN: u16 = 4;
    pub(super) const NFTA_META_DREG: u16 = 1;
    pub(super) const NFTA_META_KEY: u16 = 2;
    pub(super) const NFTA_LIMIT_RATE: u16 = 1;
    pub(super) const NFTA_LIMIT_UNIT: u16 = 2;
    pub(super) const NFTA_LIMIT_BURST: u16 = 3;
    pub(super) const NFTA_LIMIT_TYPE: u16 = 4;
    pub(super) const NFTA_LIMIT_FLAGS: u16 = 5;
    pub(super) const NFTA_REDIR_REG_PROTO_MIN: u16 = 1;
}
