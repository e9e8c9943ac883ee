//! The same events and failures to our Python bootstrap and to AWS's own client: answers, errors and logs agree.
//!
//! Needs a virtual environment with `awslambdaric`, named in `LACEWING_TEST_VENV`; skipped without.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use lacewing_model::Language;
use lacewing_runtime_api::{GuestAnswer, GuestReady};
use lacewing_sandbox::Work;
use std::path::PathBuf;
use support::{Guest, Start, start, work};

struct Case {
    why: &'static str,
    handler: &'static str,
    files: &'static [(&'static str, &'static str)],
    events: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
}

const CASE: Case = Case { why: "", handler: "app.handler", files: &[], events: &["{}"], env: &[] };

/// Everything that the outside sees of one run.
#[derive(Debug, PartialEq)]
struct Seen {
    init: String,
    answers: Vec<String>,
    frames: Vec<(u32, String)>,
    stdout: String,
}

async fn see(python: &std::path::Path, case: &Case, official: bool) -> Seen {
    let argv = vec![python.to_str().unwrap().to_owned(), "-m".into(), "awslambdaric".into(), case.handler.to_owned()];
    let env = case.env.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    let base = Start { handler: case.handler, files: case.files, env, ..Start::default() };
    let how = if official { Start { tcp: true, argv: Some(argv), ..base } } else { base };
    let mut guest = start(python, Language::Python(11), how).await;
    let mut seen = Seen { init: String::new(), answers: vec![], frames: vec![], stdout: String::new() };
    match guest.ready().await {
        GuestReady::Asked => seen.init = "ready".into(),
        GuestReady::InitError(error) => {
            seen.init = format!("{} {}", error.kind, level(&guest, None, &String::from_utf8_lossy(&error.body)));
            guest.exit_code().await;
        }
    }
    let mut works: Vec<Work> = Vec::new();
    if seen.init == "ready" {
        for event in case.events {
            let mut work = work(event);
            work.client_context = Some(CLIENT_CONTEXT.into());
            work.tenant = Some("Blue Tenant".parse().unwrap());
            let answer = match guest.invoke(&work).await {
                GuestAnswer::Response(bytes) => format!("response {}", String::from_utf8_lossy(&bytes)),
                GuestAnswer::Error(error) => format!("error {}", String::from_utf8_lossy(&error.body)),
                GuestAnswer::TooLarge { .. } => "too large".into(),
                GuestAnswer::Truncated(_) => "truncated".into(),
            };
            seen.answers.push(level(&guest, Some(&work), &answer));
            works.push(work);
        }
    }
    let ids = |text: &str| works.iter().fold(text.to_owned(), |text, work| level(&guest, Some(work), &text));
    // Our own words for the same warning: theirs speaks of runtime updates, which there are none of here.
    let warning = |text: String| match text.find("LAMBDA_WARNING: Unhandled exception.") {
        Some(at) => text[..at + 36].to_owned(),
        None => text,
    };
    seen.frames =
        guest.frames().into_iter().map(|(kind, text)| (kind, warning(ids(&level(&guest, None, &text))))).collect();
    seen.stdout = ids(&level(&guest, None, &guest.stdout()));
    seen
}

const CLIENT_CONTEXT: &str =
    r#"{"client":{"app_title":"t"},"custom":{"k":"v"},"env":{"make":"m"},"w3c":{"traceparent":"00-1"}}"#;

/// Takes out what must differ: ids, times, folders.
fn level(guest: &Guest, work: Option<&Work>, text: &str) -> String {
    let mut text = text.replace(guest.code.path().to_str().unwrap(), "/var/task");
    if let Some(work) = work {
        text = text.replace(&work.request_id.to_string(), "ID").replace(&work.deadline.0.to_string(), "DEADLINE");
    }
    // How deep a recursion gets depends on how deep it starts.
    if let Some(at) = text.find("Previous line repeated ") {
        let end = text[at..].find(" more times").map_or(text.len(), |end| at + end);
        text.replace_range(at + 23..end, "N");
    }
    // 2026-11-24T03:00:00 and .123Z behind it.
    let bytes = text.clone().into_bytes();
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let mut at = 0;
    let mut out = Vec::new();
    while at < bytes.len() {
        let fits = bytes.len() - at >= shape.len()
            && shape.iter().zip(&bytes[at..]).all(|(s, b)| if *s == b'd' { b.is_ascii_digit() } else { s == b });
        if fits {
            at += shape.len();
            if bytes.get(at) == Some(&b'.') {
                at += 4;
            }
            out.extend_from_slice(b"TIME");
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn our_bootstrap_and_awss_client_cannot_be_told_apart() {
    let Some(venv) = std::env::var_os("LACEWING_TEST_VENV") else {
        eprintln!("skipped: LACEWING_TEST_VENV names no virtual environment with awslambdaric");
        return;
    };
    let python = PathBuf::from(venv).join("bin/python");
    let mut differing = Vec::new();
    for case in CASES {
        let (ours, theirs) = tokio::join!(see(&python, case, false), see(&python, case, true));
        if ours != theirs {
            differing.push(format!("{}:\n  ours   {ours:?}\n  theirs {theirs:?}", case.why));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

const JSON_LOGS: &[(&str, &str)] = &[("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", "INFO")];

const CASES: &[Case] = &[
    Case {
        why: "echo",
        files: &[("app.py", "def handler(e, c): return e")],
        events: &[
            "{}",
            "null",
            "[1, 2.0, 1e400, -0.0, 123456789012345678901234567890]",
            "\"\\u00e9\\ud83d\\ude00\\u2028\"",
            " {\"a\" : [ ] } ",
            "{\"a\":1,\"a\":2}",
        ],
        ..CASE
    },
    Case {
        why: "echo, escaping as before 3.12",
        files: &[("app.py", "def handler(e, c): return e")],
        events: &["\"\\u00e9\\ud83d\\ude00\\u2028\""],
        env: &[("AWS_EXECUTION_ENV", "AWS_Lambda_python3.11")],
        ..CASE
    },
    Case {
        why: "results",
        files: &[("app.py", RESULTS)],
        events: &[
            "\"decimal\"",
            "\"named\"",
            "\"bytes\"",
            "\"nested\"",
            "\"set\"",
            "\"circle\"",
            "\"nan\"",
            "\"keys\"",
            "\"badkey\"",
            "\"object\"",
            "\"enum\"",
            "\"tuple\"",
            "\"none\"",
            "\"generator\"",
            "\"float\"",
            "\"subclass\"",
            "\"badbytes\"",
        ],
        ..CASE
    },
    Case { why: "context", files: &[("app.py", CONTEXT)], ..CASE },
    Case {
        why: "exceptions",
        files: &[("app.py", ERRORS)],
        events: &[
            "\"plain\"",
            "\"empty\"",
            "\"chained\"",
            "\"custom\"",
            "\"unicode\"",
            "\"group\"",
            "\"recursion\"",
            "\"multiline\"",
            "\"key\"",
            "\"json\"",
        ],
        ..CASE
    },
    Case {
        why: "exceptions in JSON logs",
        files: &[("app.py", ERRORS)],
        events: &["\"plain\"", "\"unicode\""],
        env: JSON_LOGS,
        ..CASE
    },
    Case { why: "no such module", handler: "absent.handler", ..CASE },
    Case { why: "a missing import", files: &[("app.py", "import nothing_like_it\n")], ..CASE },
    Case { why: "a failed import from", files: &[("app.py", "from os import nothing_like_it\n")], ..CASE },
    Case { why: "no such function", files: &[("app.py", "")], ..CASE },
    Case { why: "a syntax error", files: &[("app.py", "def handler(:\n  pass\n")], ..CASE },
    Case { why: "an indentation error", files: &[("app.py", "def handler(e, c):\nreturn 1\n")], ..CASE },
    Case { why: "a handler without dot", handler: "app", ..CASE },
    Case { why: "a built-in module", handler: "sys.exit", ..CASE },
    Case {
        why: "a module that raises",
        files: &[("app.py", "def f():\n    raise ValueError('at import')\nf()\n")],
        ..CASE
    },
    Case {
        why: "a module that raises, in JSON logs",
        files: &[("app.py", "raise ValueError('at import')\n")],
        env: JSON_LOGS,
        ..CASE
    },
    Case {
        why: "a package",
        handler: "pkg/sub/app.handler",
        files: &[
            ("pkg/__init__.py", ""),
            ("pkg/sub/__init__.py", ""),
            ("pkg/sub/app.py", "def handler(e, c): return __name__"),
        ],
        ..CASE
    },
    Case {
        why: "a dotted package",
        handler: "pkg.app.handler",
        files: &[("pkg/app.py", "def handler(e, c): return __name__")],
        ..CASE
    },
    Case { why: "logging", files: &[("app.py", LOGGING)], events: &["1", "2"], ..CASE },
    Case {
        why: "logging with a level",
        files: &[("app.py", LOGGING)],
        env: &[("AWS_LAMBDA_LOG_LEVEL", "DEBUG")],
        ..CASE
    },
    Case { why: "logging at TRACE", files: &[("app.py", LOGGING)], env: &[("AWS_LAMBDA_LOG_LEVEL", "TRACE")], ..CASE },
    Case { why: "logging in JSON", files: &[("app.py", LOGGING)], env: JSON_LOGS, ..CASE },
    Case {
        why: "logging in JSON from WARN",
        files: &[("app.py", LOGGING)],
        env: &[("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", "WARN")],
        ..CASE
    },
    Case {
        why: "printing",
        files: &[(
            "app.py",
            "import sys\nprint('load')\ndef handler(e, c):\n    print('a', 1)\n    sys.stdout.write('half')\n    sys.stdout.flush()\n    print(' é')\n",
        )],
        events: &["1", "2"],
        ..CASE
    },
    Case {
        why: "context.log",
        files: &[("app.py", "def handler(e, c):\n    c.log('one\\n')\n    c.log({'a': 1})\n")],
        ..CASE
    },
    Case {
        why: "trace id",
        files: &[("app.py", "import os\ndef handler(e, c): return os.environ['_X_AMZN_TRACE_ID']")],
        ..CASE
    },
    Case {
        why: "a class as handler",
        files: &[("app.py", "class H:\n    def __call__(self, e, c): return 'called'\nhandler = H()\n")],
        ..CASE
    },
    Case {
        why: "dataclass",
        files: &[(
            "app.py",
            "import dataclasses\n@dataclasses.dataclass\nclass D:\n    a: int\ndef handler(e, c): return D(1)\n",
        )],
        ..CASE
    },
];

const RESULTS: &str = r#"
import collections, decimal, enum
N = collections.namedtuple('N', 'a b')
class E(enum.IntEnum):
    X = 3
class S(str): pass
class I(int):
    def __repr__(self): return 'not this'
def circle():
    a = []
    a.append(a)
    return a
R = {
    'decimal': lambda: {'a': decimal.Decimal('1.10'), 'b': [decimal.Decimal('1E+3'), decimal.Decimal('NaN'), decimal.Decimal('-7')], 'c': decimal.Decimal('Infinity')},
    'named': lambda: [N(1, N(2, (3,))), {'k': N('x', None)}],
    'bytes': lambda: b'raw \xff'.replace(b'\xff', b'!'),
    'nested': lambda: {'a': b'abc', b'k': 1},
    'set': lambda: {1, 2},
    'circle': circle,
    'nan': lambda: [float('nan'), float('inf'), -float('inf')],
    'keys': lambda: {1: 'a', 1.5: 'b', True: 'c', None: 'd'},
    'badkey': lambda: {(1, 2): 3},
    'object': lambda: object(),
    'enum': lambda: [E.X, {'k': E.X}],
    'tuple': lambda: (1, (2, 3)),
    'none': lambda: None,
    'generator': lambda: (x for x in [1]),
    'float': lambda: [0.1, 1e16, 1e-7, 1.0, 1e22],
    'subclass': lambda: [S('s'), I(5), collections.OrderedDict(a=1), collections.defaultdict(list, b=[1]), collections.Counter('aab')],
    'badbytes': lambda: {'a': b'\xff'},
}
def handler(event, context):
    return R[event]()
"#;

const CONTEXT: &str = r#"
def handler(event, context):
    left = context.get_remaining_time_in_millis()
    return {
        'repr': repr(context),
        'left': 0 < left <= 3000,
        'fields': [context.function_name, context.function_version, context.memory_limit_in_mb, context.invoked_function_arn, context.aws_request_id,
                   context.log_group_name, context.log_stream_name, context.tenant_id],
        'client': [context.client_context.client.app_title, context.client_context.client.app_package_name, context.client_context.custom, context.client_context.env],
        'identity': repr(context.identity), 'w3c': context.w3c(),
        'public': sorted(n for n in dir(context) if not n.startswith('_')),
    }
"#;

const ERRORS: &str = r#"
import json
class Custom(Exception):
    def __str__(self): return 'custom text'
def deep(n):
    if n == 0: raise ValueError('deep')
    deep(n - 1)
def chained():
    try:
        deep(1)
    except ValueError as e:
        raise KeyError('outer') from e
def raise_(e): raise e
def rec(n): return rec(n + 1)
F = {
    'plain': lambda: deep(3), 'empty': lambda: raise_(Exception()), 'chained': chained, 'custom': lambda: raise_(Custom()),
    'unicode': lambda: raise_(RuntimeError('é\u2028 \U0001f600')), 'group': lambda: raise_(ExceptionGroup('g', [ValueError(1)])), 'recursion': lambda: rec(0),
    'multiline': lambda: raise_(Exception('a\nb\n  c')), 'key': lambda: {}['k'], 'json': lambda: json.loads('{'),
}
def handler(event, context):
    return F[event]()
"#;

const LOGGING: &str = r#"
import logging
log = logging.getLogger()
named = logging.getLogger('my.name')
logging.warning('at load')
def handler(event, context):
    log.debug('debug %s', 1)
    log.info('info')
    log.warning('warn\nsecond line')
    named.error('error %s', {'a': 1})
    named.critical('critical', extra={'user': 'u', 'n': [1], 'o': object})
    log.error({'a': 'dict', 'd': {1: 2}})
    try:
        1 / 0
    except Exception:
        log.exception('caught')
    logging.getLogger('x').log(35, 'odd level')
    log.setLevel(logging.DEBUG)
    log.debug('now seen')
    log.setLevel(logging.WARNING)
"#;
