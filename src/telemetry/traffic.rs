//! Bytes that went over the connections to RPC servers, as the kernel counts them: nothing is put between the
//! engine and the wire.

use std::net::{SocketAddr, ToSocketAddrs as _};

use crate::record::RemoteTraffic;
use crate::units::Bytes;

/// Bytes over this machine's open connections to each of these servers, since they were opened; `None`
/// where the system does not tell, or there are no servers.
pub fn counts(endpoints: &[String]) -> Option<Vec<RemoteTraffic>> {
    if endpoints.is_empty() {
        return None;
    }
    let open = connections()?;
    let of = |endpoint: &String| {
        let addresses: Vec<SocketAddr> = endpoint.to_socket_addrs().ok()?.collect();
        let own = open.iter().filter(|connection| addresses.contains(&connection.to));
        let (up, down) =
            own.fold((0, 0), |(up, down), connection| (up + connection.up, down + connection.down));
        Some(RemoteTraffic { endpoint: endpoint.clone(), up: Bytes(up), down: Bytes(down) })
    };
    endpoints.iter().map(of).collect()
}

/// What was added between two counts of the same servers.
pub fn between(before: &[RemoteTraffic], after: &[RemoteTraffic]) -> Vec<RemoteTraffic> {
    let added = |(was, is): (&RemoteTraffic, &RemoteTraffic)| RemoteTraffic {
        endpoint: is.endpoint.clone(),
        up: Bytes(is.up.0.saturating_sub(was.up.0)),
        down: Bytes(is.down.0.saturating_sub(was.down.0)),
    };
    before.iter().zip(after).map(added).collect()
}

/// An open TCP connection.
struct Connection {
    to: SocketAddr,
    up: u64,
    down: u64,
}

#[cfg(target_os = "linux")]
fn connections() -> Option<Vec<Connection>> {
    let mut all = linux::connections(linux::Family::V4)?;
    // A system without IPv6 has none.
    all.extend(linux::connections(linux::Family::V6).unwrap_or_default());
    Some(all)
}

#[cfg(not(target_os = "linux"))]
fn connections() -> Option<Vec<Connection>> {
    None
}

/// Linux's socket diagnostics.
#[cfg(target_os = "linux")]
mod linux {
    use std::net::SocketAddr;

    use netlink_packet_core::{
        NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    };
    use netlink_packet_sock_diag::SockDiagMessage;
    use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
    use netlink_packet_sock_diag::inet::nlas::Nla;
    use netlink_packet_sock_diag::inet::{
        ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags,
    };
    use netlink_sys::protocols::NETLINK_SOCK_DIAG;
    use netlink_sys::{Socket, SocketAddr as NetlinkAddr};

    use super::Connection;

    /// A family of addresses.
    #[derive(Clone, Copy)]
    pub(super) enum Family {
        V4,
        V6,
    }

    /// Every open connection of a family.
    pub(super) fn connections(family: Family) -> Option<Vec<Connection>> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG).ok()?;
        socket.bind_auto().ok()?;
        socket.connect(&NetlinkAddr::new(0, 0)).ok()?;
        socket.send(&request(family), 0).ok()?;
        let mut found = Vec::new();
        loop {
            let (answer, _) = socket.recv_from_full().ok()?;
            let mut rest = answer.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest).ok()?;
                let length = usize::try_from(message.header.length).ok()?;
                match message.payload {
                    NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                        found.extend(connection(&response));
                    }
                    NetlinkPayload::Done(_) => return Some(found),
                    NetlinkPayload::Noop => {}
                    _ => return None,
                }
                // Messages begin at multiples of four bytes.
                rest = rest.get(length.max(1).next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }

    fn request(family: Family) -> Vec<u8> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let (family, socket_id) = match family {
            Family::V4 => (AF_INET, SocketId::new_v4()),
            Family::V6 => (AF_INET6, SocketId::new_v6()),
        };
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::INFO,
            states: StateFlags::ESTABLISHED,
            socket_id,
        };
        let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    fn connection(response: &InetResponse) -> Option<Connection> {
        let id = &response.header.socket_id;
        let info = response.nlas.iter().find_map(|nla| match nla {
            Nla::TcpInfo(info) => Some(info),
            _ => None,
        })?;
        Some(Connection {
            to: SocketAddr::new(id.destination_address, id.destination_port),
            up: info.bytes_acked,
            down: info.bytes_received,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn what_goes_over_a_connection_is_counted() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let mut here = std::net::TcpStream::connect(&endpoint).unwrap();
        let (mut there, _) = listener.accept().unwrap();
        let endpoints = [endpoint];
        let Some(before) = counts(&endpoints) else {
            eprintln!("skipped: this system does not tell of its sockets");
            return;
        };
        here.write_all(&[1; 3000]).unwrap();
        there.read_exact(&mut [0; 3000]).unwrap();
        there.write_all(&vec![2; 70_000]).unwrap();
        here.read_exact(&mut vec![0; 70_000]).unwrap();
        // What was sent counts when it is acknowledged.
        let mut added = Vec::new();
        for _ in 0..100 {
            added = between(&before, &counts(&endpoints).unwrap());
            if added[0].up.0 >= 3000 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!((added[0].up, added[0].down), (Bytes(3000), Bytes(70_000)));
    }
}
