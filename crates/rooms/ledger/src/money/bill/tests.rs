//! AWS's own worked examples, and what must hold of every bill.

use super::*;
use std::convert::Infallible;

/// One row: hour, function, architecture, sums.
type Row = (Timestamp, &'static str, Architecture, Sums);

const NOVEMBER: Timestamp = Timestamp(1_793_491_200_000);
const DECEMBER: Timestamp = Timestamp(1_796_083_200_000);

fn account() -> AccountId {
    "123456789012".parse().unwrap()
}

fn calls(requests: u64, ms: u64, memory_mib: u64) -> Sums {
    let billed_ms = requests * ms;
    Sums { requests, billed_ms, memory_mib_ms: u128::from(billed_ms * memory_mib), ..Sums::default() }
}

fn query(free_tier: bool) -> BillQuery {
    BillQuery { account: account(), region: None, function: None, from: NOVEMBER, to: DECEMBER, free_tier }
}

fn aws() -> RateCard {
    RateCard::builtin("aws-us-east-1").unwrap()
}

fn price(rows: &[Row], query: &BillQuery, card: &RateCard) -> Bill {
    let visit = |usage: &UsageQuery, visit: Visit<'_>| {
        for (time, function, architecture, sums) in rows {
            let key = FunctionKey {
                account: account(),
                region: "us-east-1".parse().unwrap(),
                function: function.parse().unwrap(),
                architecture: *architecture,
            };
            if usage.from <= *time && *time < usage.to {
                visit(time.0 / HOUR_MS, &key, sums);
            }
        }
        Ok::<(), Infallible>(())
    };
    bill(query, card, visit).unwrap()
}

fn cost(bill: &Bill, meter: Meter) -> Decimal {
    bill.lines.iter().filter(|line| line.meter == meter).map(|line| line.cost).sum()
}

fn cents(amount: Decimal) -> String {
    format!("{:.2}", amount.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero))
}

#[test]
fn worked_examples_of_aws_come_out_to_the_cent() {
    let x86 = Architecture::X86;
    // Source: Lambda pricing page, examples for us-east-1.
    for (why, rows, free, requests, duration, total) in [
        (
            "3 M x 120 ms x 1536 MB",
            vec![(NOVEMBER, "f", x86, calls(3_000_000, 120, 1_536))],
            true,
            "0.40",
            "2.33",
            "2.73",
        ),
        (
            "compute of the streaming example",
            vec![(NOVEMBER, "f", x86, calls(3_000_000, 500, 1_536))],
            true,
            "0.40",
            "30.83",
            "31.23",
        ),
        (
            "compute of the durable example",
            vec![(NOVEMBER, "f", Architecture::Arm, calls(2_000_000, 16_000, 1_024))],
            true,
            "0.20",
            "421.34",
            "421.54",
        ),
        (
            "compute of the tenant example",
            vec![(NOVEMBER, "f", x86, calls(10_000_000, 2_000, 1_024))],
            false,
            "2.00",
            "333.33",
            "335.33",
        ),
    ] {
        let bill = price(&rows, &query(free), &aws());
        assert_eq!(cents(cost(&bill, Meter::Requests)), requests, "{why}");
        assert_eq!(cents(cost(&bill, Meter::Duration)), duration, "{why}");
        assert_eq!(cents(bill.total), total, "{why}");
    }
}

#[test]
fn streamed_bytes_are_priced_beyond_the_free_amount_that_the_month_has_used() {
    let free_used_up = Sums { streamed_bytes: 100 << 30, ..Sums::default() };
    let streamed = Sums { streamed_bytes: 1_000_000 << 20, ..calls(3_000_000, 500, 1_536) };
    let later = Timestamp(NOVEMBER.0 + 24 * HOUR_MS);
    let rows = [(NOVEMBER, "f", Architecture::X86, free_used_up), (later, "f", Architecture::X86, streamed)];
    let bill = price(&rows, &BillQuery { from: later, ..query(true) }, &aws());
    let line = bill.lines.iter().find(|line| line.meter == Meter::StreamedBytes).unwrap();
    assert_eq!(line.quantity.to_string(), "976.5625");
    assert_eq!(cost(&bill, Meter::StreamedBytes).to_string(), "7.8125");
    assert_eq!(cents(bill.total), "39.05", "AWS adds its rounded parts, 30.83 + 0.40 + 7.81");
}

#[test]
fn environments_of_tenants_are_priced_by_their_memory_once_each() {
    // Source: Lambda pricing page, the tenant isolation example: 200,000 environments of 1 GB.
    let sums = Sums { tenant_environments_mib: 200_000 * 1_024, ..calls(10_000_000, 2_000, 1_024) };
    let bill = price(&[(NOVEMBER, "f", Architecture::X86, sums)], &query(false), &aws());
    let line = bill.lines.iter().find(|line| line.meter == Meter::TenantEnvironments).unwrap();
    assert_eq!((line.quantity.to_string(), line.meter.unit()), ("200000".to_owned(), "GB"));
    assert_eq!(line.cost.to_string(), "33.3334");
    assert_eq!(cents(bill.total), "368.67", "AWS rounds the parts up, to 368.74");
}

#[test]
fn one_second_of_128_mib_is_exact() {
    let bill = price(&[(NOVEMBER, "f", Architecture::X86, calls(1, 1_000, 128))], &query(false), &aws());
    let line = |meter| bill.lines.iter().find(|line| line.meter == meter).unwrap();
    assert_eq!(line(Meter::Duration).quantity.to_string(), "0.125");
    assert_eq!(line(Meter::Duration).cost.to_string(), "0.0000020833375");
    assert_eq!(line(Meter::Requests).cost.to_string(), "0.0000002");
    assert_eq!(bill.total.to_string(), "0.0000022833375");
    // One millisecond is a thousandth of it, to the last digit.
    let millisecond = price(&[(NOVEMBER, "f", Architecture::X86, calls(1, 1, 128))], &query(false), &aws());
    assert_eq!(cost(&millisecond, Meter::Duration).to_string(), "0.0000000020833375");
}

#[test]
fn ephemeral_storage_costs_beyond_512_mib() {
    // 10 GiB for a million seconds: 9.5 GB are paid.
    let sums = Sums { ephemeral_mib_ms: (10_240 - 512) * 1_000_000_000, ..Sums::default() };
    let bill = price(&[(NOVEMBER, "f", Architecture::X86, sums)], &query(false), &aws());
    assert_eq!(bill.lines[0].quantity.to_string(), "9500000");
    assert_eq!(bill.total.to_string(), "0.29355");
}

#[test]
fn volume_tiers_follow_the_account_and_are_shared_in_proportion() {
    // 20 billion GB-seconds of two functions, one to three.
    let huge = |billions: u128| Sums { memory_mib_ms: billions * 1_000_000_000 * 1_024_000, ..Sums::default() };
    let rows = [(NOVEMBER, "a", Architecture::X86, huge(5)), (NOVEMBER, "b", Architecture::X86, huge(15))];
    let bill = price(&rows, &query(false), &aws());
    assert_eq!(bill.total.to_string(), "301667.2", "6 x 16,666.70 + 9 x 15,000 + 5 x 13,333.40");
    let of = |name: &str| -> Vec<String> {
        bill.lines.iter().filter(|line| line.function.as_str() == name).map(|line| line.quantity.to_string()).collect()
    };
    assert_eq!(of("a"), ["1500000000", "2250000000", "1250000000"]);
    assert_eq!(of("b"), ["4500000000", "6750000000", "3750000000"]);
    let one = BillQuery { function: Some("a".parse().unwrap()), ..query(false) };
    let part = price(&rows, &one, &aws());
    assert_eq!(part.total.to_string(), "75416.8", "a bill of one function stands in the account's tiers");
    let next_month = [rows[0], (DECEMBER, "b", Architecture::X86, huge(5))];
    let both = price(&next_month, &BillQuery { to: Timestamp(DECEMBER.0 + HOUR_MS), ..query(false) }, &aws());
    assert!(both.lines.iter().all(|line| line.slice == Slice::Tier(1)), "a month begins in the first tier");
}

#[test]
fn odd_shares_leave_nothing_over() {
    let functions: BTreeMap<FunctionName, u128> =
        [("a", 1), ("b", 7), ("c", 3), ("d", 5)].map(|(name, count)| (name.parse().unwrap(), count)).into();
    let slices =
        vec![(Slice::Free, 5, Decimal::ZERO), (Slice::Tier(1), 10, Decimal::ONE), (Slice::Tier(2), 1, Decimal::ONE)];
    let shares = share(functions.clone(), slices.clone());
    for (slice, part, _) in slices {
        assert_eq!(
            shares.iter().filter(|share| share.1 == slice).map(|share| share.2).sum::<u128>(),
            part,
            "{slice:?}"
        );
    }
    for (function, count) in functions {
        assert_eq!(
            shares.iter().filter(|share| share.0 == function).map(|share| share.2).sum::<u128>(),
            count,
            "{function}"
        );
    }
}

#[test]
fn actual_use_prices_processor_and_memory_that_were_used() {
    let sums = Sums { cpu_nanos: 1_000_000_000, memory_used_byte_ms: (1 << 30) * 1_000, ..calls(1, 1_000, 10_240) };
    let card = RateCard::builtin("actual-use").unwrap();
    let bill = price(&[(NOVEMBER, "f", Architecture::X86, sums)], &query(false), &card);
    assert_eq!(bill.total.to_string(), "0.0000249505", "one processor-second, one GB-second, one request");
}
