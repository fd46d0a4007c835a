//! Clients that mean no good: whatever they send, or do not send, others are served.

use std::{fs, time::Duration};

use futures_util::{StreamExt, stream};
use miden_cvm_service::{
    jobs::Rules,
    pb::{self, job_part},
    queue::embedded::Embedded,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::Code;

use super::host::{Answer, Form, Host, Setup, fast};

const PROGRAM: &[u8] = b"begin push.1 drop end";

/// Sends bytes, and returns what comes back until the server is done with them.
async fn answer(host: &Host, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(host.address)
        .await
        .expect("a connection");
    stream.write_all(bytes).await.ok();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    timeout(Duration::from_secs(60), read)
        .await
        .expect("an end")
        .ok();
    answer
}

/// The head of a request that sends a body of so many bytes.
fn head(method: &str, path: &str, more: &str, length: usize) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{more}content-length: {length}\r\n\r\n"
    )
}

const FORM: &str = "content-type: multipart/form-data; boundary=cut\r\n";

/// The beginning of a form with a target of so many bytes.
fn begun(length: usize) -> Vec<u8> {
    let part = "--cut\r\ncontent-disposition: form-data; name=\"target\"\r\n\r\n";
    let mut bytes = head("POST", "/v1/jobs", FORM, length + 1000).into_bytes();
    bytes.extend(part.bytes());
    bytes.extend(vec![b' '; length]);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_json() {
    let host = Host::without_workers().await;
    let unknown = format!("/v1/jobs/{}", "0".repeat(64));
    let long = format!("/{}", "é".repeat(3) + &"a".repeat(50_000));
    let requests = [
        (405, head("PUT", &unknown, "", 0)),
        (405, head("DELETE", "/health", "", 0)),
        (400, head("GET", "/v1/jobs/%ff%fe", "", 0)),
        (400, head("GET", "/v1/jobs/%00", "", 0)),
        (400, head("GET", "/v1/jobs/..%2f..%2fjobs/proof", "", 0)),
        (404, head("GET", "/v1/../../jobs", "", 0)),
        (404, head("GET", &long, "", 0)),
        (404, head("OPTIONS", "*", "", 0)),
        (400, head("POST", "/v1/jobs", "", 0)),
        (
            400,
            head(
                "POST",
                "/v1/prove",
                "content-type: multipart/form-data\r\n",
                0,
            ),
        ),
        (400, head("POST", "/v1/jobs", FORM, 0)),
    ];
    for (status, request) in requests {
        let answer = Answer::read(&answer(&host, request.as_bytes()).await);
        assert_eq!(answer.status, status, "{request}");
        let json = answer.json();
        assert!(
            json["error"].is_string() && json["reason"].is_string(),
            "{json}"
        );
        assert!(answer.body.len() < 1000, "{json}");
    }
    // What is no HTTP is not told anything in particular.
    let many: String = (0..500)
        .map(|number| format!("x-{number}: a\r\n"))
        .collect();
    for bytes in [
        b"\0\xff\0garbage\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".repeat(30),
        [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            vec![0xff; 1000],
        ]
        .concat(),
        head("GET", "/", &many, 0).into_bytes(),
        head("GET", "/", &format!("x: {}\r\n", "a".repeat(1 << 20)), 0).into_bytes(),
        b"POST /v1/jobs HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"POST /v1/jobs HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"
            .to_vec(),
    ] {
        answer(&host, &bytes).await;
    }
    assert_eq!(host.get("/health").await.status, 200);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deep_or_large_is_refused_where_it_is_read() {
    let host = Host::without_workers().await;
    let deep = "[".repeat(1 << 16);
    let objects = "{\"set\":".repeat(1 << 14);
    let blocks = format!("begin {}{}", "if.true ".repeat(5000), "end ".repeat(5001));
    let long = format!("begin {} foo end", " ".repeat(1 << 17));
    let repeated = "begin repeat.4000000000 push.1 drop end end";
    let numbers = format!(
        "{{\"operand_stack\":[{}]}}",
        vec!["\"1\""; 20_000].join(",")
    );
    let junk = [&b"MASP\0"[..], &[0xff; 5000]].concat();
    let forms: [(u16, Form<'_>); 12] = [
        (400, &[("target", PROGRAM), ("options", deep.as_bytes())]),
        (400, &[("target", PROGRAM), ("options", objects.as_bytes())]),
        (
            400,
            &[("target", PROGRAM), ("options", br#"{"max_cycles":-1}"#)],
        ),
        (
            400,
            &[("target", PROGRAM), ("options", br#"{"max_cycles":1e99}"#)],
        ),
        (
            400,
            &[
                ("target", PROGRAM),
                ("options", br#"{"set":"Fast96","set":"Fast96"}"#),
            ],
        ),
        (422, &[("target", PROGRAM), ("inputs", deep.as_bytes())]),
        (422, &[("target", PROGRAM), ("inputs", numbers.as_bytes())]),
        (422, &[("target", blocks.as_bytes())]),
        (422, &[("target", long.as_bytes())]),
        (422, &[("target", repeated.as_bytes())]),
        (422, &[("target", &junk)]),
        (422, &[("target", b"")]),
    ];
    for (status, form) in forms {
        let answer = host.form("/v1/jobs", form).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.json()["error"].is_string());
    }
    let mut client = host.remote().connect().await.expect("a client");
    let part = |part| pb::JobPart { part: Some(part) };
    let many = vec![part(job_part::Part::Target(PROGRAM.into())); 2000];
    let refused = client
        .submit(stream::iter(many))
        .await
        .expect_err("no terms");
    assert_eq!(refused.code(), Code::InvalidArgument);
    // A message that says it is four gigabytes long.
    let grpc = head(
        "POST",
        "/miden_cvm.service.v1.Prover/Submit",
        "content-type: application/grpc\r\n",
        5,
    );
    let answered = answer(&host, &[grpc.as_bytes(), b"\0\xff\xff\xff\xff"].concat()).await;
    assert!(Answer::read(&answered).head.contains("grpc-status: "));
    assert_eq!(host.jobs.queue().ids().await.expect("names").len(), 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_keep_nobody_out() {
    const SLOW: usize = 40;
    let host = Host::without_workers().await;
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut stream = TcpStream::connect(host.address)
            .await
            .expect("a connection");
        stream.write_all(&begun(3)).await.expect("to write");
        slow.push(stream);
    }
    let mut client = host.remote().connect().await.expect("a client");
    let parts = stream::once(async {
        pb::JobPart {
            part: Some(job_part::Part::Terms(fast())),
        }
    });
    let silent = tokio::spawn(async move { client.submit(parts.chain(stream::pending())).await });
    let answer = host.form("/v1/jobs", &[("target", PROGRAM)]).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    // They are told when nothing more comes.
    for mut stream in slow {
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        timeout(Duration::from_secs(60), read)
            .await
            .expect("an end")
            .ok();
        let answer = Answer::read(&bytes);
        assert_eq!(
            (answer.status, answer.json()["reason"].as_str()),
            (408, Some("too-slow"))
        );
    }
    let refused = silent.await.expect("an end").expect_err("no job");
    assert_eq!(refused.code(), Code::DeadlineExceeded, "{refused}");
    host.stop().await;
}

/// Sixteen jobs of the greatest length can be on their way in at one time.
#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_has_a_bounded_room() {
    const LENGTH: usize = 1 << 20;
    let rules = Rules {
        max_job_bytes: LENGTH as u64,
        ..Rules::default()
    };
    let host = Host::start(Setup {
        rules,
        workers: 0,
        ..Setup::default()
    })
    .await;
    let mut large = Vec::new();
    // Each leaves free what could be around a job, which is the length of one for all of them, but for room to
    // send a little from time to time, so that no silence ends it. One that finds no room comes again.
    for _ in 0..17 {
        let address = host.address;
        large.push(tokio::spawn(async move {
            loop {
                let mut stream = TcpStream::connect(address).await.expect("a connection");
                let mut bytes = begun(LENGTH - (2 << 10));
                while stream.write_all(&bytes).await.is_ok() {
                    bytes = vec![b' '];
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }));
    }
    let job = [PROGRAM, &vec![b'\n'; LENGTH - PROGRAM.len()]].concat();
    let form: Form<'_> = &[("target", &job)];
    let submit = || host.form("/v1/jobs", form);
    // The bytes of the others need some time to arrive.
    let refused = async {
        loop {
            let answer = submit().await;
            if answer.status != 202 {
                return answer;
            }
            // While this one is on its way, the last of the others may be what finds no room.
            sleep(Duration::from_millis(300)).await;
        }
    };
    let answer = timeout(Duration::from_secs(60), refused)
        .await
        .expect("no room");
    assert_eq!(
        (answer.status, answer.json()["reason"].as_str()),
        (429, Some("busy"))
    );
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
    large.iter().for_each(JoinHandle::abort);
    let taken = async { while submit().await.status != 202 {} };
    timeout(Duration::from_secs(60), taken)
        .await
        .expect("room again");
    host.stop().await;
}

#[test]
fn a_folder_with_other_files_keeps_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || Embedded::open(Some(folder.path()), 10, Duration::from_secs(5)).map(|_| ());
    let records = folder.path().join("records");
    fs::create_dir(&records).expect("a folder");
    for name in ["notes.txt", "no-ending", "half.new"] {
        fs::write(records.join(name), name).expect("a file");
    }
    open().expect("an engine");
    assert!(records.join("notes.txt").exists() && records.join("no-ending").exists());
    assert!(!records.join("half.new").exists());
    fs::write(records.join("other.json"), "{}").expect("a file");
    let error = open().expect_err("no record").to_string();
    assert!(error.contains("other.json"), "{error}");
    let error = Embedded::open(Some(&records.join("notes.txt")), 10, Duration::ZERO);
    let error = error.map(|_| ()).expect_err("no folder").to_string();
    assert!(error.contains("notes.txt"), "{error}");
}
