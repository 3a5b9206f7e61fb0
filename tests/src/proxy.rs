//! A TCP proxy in front of a port, which delays, stalls and breaks what passes: the faults of a network that a packet
//! filter cannot make.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::netns::Host;

/// How bytes pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As they come.
    Smoothly,
    /// Every read is passed on so much later.
    Late(Duration),
    /// Half of what was read, and nothing more until the manner changes: a frame stays open in its middle.
    Stalled,
    /// Half of what was read, then the connection ends.
    Broken,
}

/// Proxies of one host. Dropping them ends their connections.
#[derive(Debug)]
pub struct Proxies {
    manner: watch::Sender<Manner>,
    /// Its threads have their sockets on the host.
    _runtime: tokio::runtime::Runtime,
}

impl Proxies {
    /// On `host`, has each first port lead to the second.
    ///
    /// # Panics
    /// When a port is taken.
    #[must_use]
    pub fn start(host: &Host, ports: &[(u16, u16)]) -> Self {
        let (manner, receiver) = watch::channel(Manner::Smoothly);
        let runtime = host.runtime(1);
        for (port, target) in ports {
            let (here, there) = ((host.address(), *port).into(), (host.address(), *target).into());
            let listening = runtime.spawn(async move { TcpListener::bind::<SocketAddr>(here).await });
            let listener = runtime.block_on(listening).expect("the task is well").expect("a free port");
            runtime.spawn(accept(listener, there, receiver.clone()));
        }
        Self { manner, _runtime: runtime }
    }

    /// Changes how bytes pass, on connections that are open, too.
    pub fn set(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, manner: watch::Receiver<Manner>) {
    // An error to accept is that of one connection.
    loop {
        if let Ok((incoming, _)) = listener.accept().await {
            tokio::spawn(pass(incoming, target, manner.clone()));
        }
    }
}

/// Passes bytes both ways until one of them fails or both have ended.
async fn pass(incoming: TcpStream, target: SocketAddr, manner: watch::Receiver<Manner>) -> io::Result<()> {
    // If the target is down, the caller's connection ends.
    let outgoing = TcpStream::connect(target).await?;
    incoming.set_nodelay(true)?;
    outgoing.set_nodelay(true)?;
    let ((from_caller, to_caller), (from_target, to_target)) = (incoming.into_split(), outgoing.into_split());
    let there = pass_one_way(from_caller, to_target, manner.clone());
    let back = pass_one_way(from_target, to_caller, manner);
    tokio::try_join!(there, back).map(drop)
}

async fn pass_one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut manner: watch::Receiver<Manner>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        let now = *manner.borrow();
        let (first, rest) = buffer[..count].split_at(count / 2);
        match now {
            Manner::Smoothly => {}
            Manner::Late(by) => tokio::time::sleep(by).await,
            Manner::Stalled => {
                to.write_all(first).await?;
                // The sender lives as long as this task's runtime.
                let _ = manner.wait_for(|manner| *manner != Manner::Stalled).await;
                to.write_all(rest).await?;
                continue;
            }
            Manner::Broken => {
                to.write_all(first).await?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        to.write_all(&buffer[..count]).await?;
    }
}
