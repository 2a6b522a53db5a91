//! What leaves together, and when.

use super::*;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::ReadBuf;

/// A transport that notes each write as one call, and never has anything to read.
#[derive(Default)]
struct Calls(Vec<Vec<u8>>);

impl AsyncRead for Calls {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Calls {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    /// Takes at most 10 000 bytes at once.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(10_000).collect();
        let length = bytes.len();
        self.get_mut().0.push(bytes);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A stream in the middle of a request.
fn busy() -> (Io<Calls>, Underway) {
    let (_, _, connection) = piped(ConnectionLimits::DEFAULT);
    let underway = connection.request_began();
    let seals = Seals::new(0, &connection, None);
    (Io::new(Calls::default(), (connection, served()), ConnectionLimits::DEFAULT, seals), underway)
}

fn calls(io: &Io<Calls>) -> Vec<usize> {
    io.transport().0.iter().map(Vec::len).collect()
}

#[tokio::test]
async fn a_header_and_a_small_body_leave_in_one_call() {
    let (mut io, _underway) = busy();
    io.write_all(&[b'h'; 300]).await.unwrap();
    io.write_all(&[b'b'; 128]).await.unwrap();
    assert_eq!(calls(&io), Vec::<usize>::new());
    io.flush().await.unwrap();
    assert_eq!(calls(&io), [428]);
}

#[tokio::test]
async fn a_large_body_takes_the_header_along() {
    let (mut io, _underway) = busy();
    io.write_all(&[b'h'; 300]).await.unwrap();
    io.write_all(&[b'b'; 8000]).await.unwrap();
    assert_eq!(calls(&io), [8300]);
}

#[tokio::test]
async fn whatever_is_written_arrives_whole_and_in_order() {
    let (mut io, _underway) = busy();
    let mut sent = Vec::new();
    for (number, length) in [300, 4000, 1, 50_000, 0, 4096, 4097, 12_345, 7].into_iter().enumerate() {
        let piece = vec![u8::try_from(number).unwrap(); length];
        io.write_all(&piece).await.unwrap();
        sent.extend(piece);
    }
    io.flush().await.unwrap();
    assert!(io.transport().0.concat() == sent);
}

#[tokio::test]
async fn what_is_held_back_leaves_when_the_connection_begins_to_wait() {
    let (mut io, _underway) = busy();
    io.write_all(&[b'h'; 300]).await.unwrap();
    let mut byte = [0];
    let mut into = ReadBuf::new(&mut byte);
    let read = poll_fn(|cx| Poll::Ready(Pin::new(&mut io).poll_read(cx, &mut into))).await;
    assert!(read.is_pending());
    assert_eq!(calls(&io), [300]);
}

#[tokio::test]
async fn a_client_that_is_still_sending_is_not_reset() {
    let (mut io, mut client, connection) = piped(ConnectionLimits::DEFAULT);
    let _underway = connection.request_began();
    client.write_all(b"the beginning of a long body").await.unwrap();
    io.write_all(b"answer").await.unwrap();
    let (mut reads, mut writes) = tokio::io::split(client);
    let sends = async {
        writes.write_all(&[0; 512 * 1024]).await.unwrap();
        writes.shutdown().await.unwrap();
    };
    let (said, (), ()) = tokio::join!(rest(&mut reads), sends, pingora::protocols::Shutdown::shutdown(&mut io));
    assert_eq!(said, "answer");
}
