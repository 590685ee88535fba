//! `wasi:sockets`: all access is denied.
//!
//! A guest can get the network object, which standard libraries request first. Creating a socket or resolving a name
//! returns `access-denied`. The answers are constant, so the calls write no oplog entries.

use super::absent::{absent_resource, fixed_answers};
use crate::imports::views::{SocketsView, Views};
use crate::objects::Object;
use wasmtime::Result;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::ResolveAddressStream;
use wasmtime_wasi::p2::bindings::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Network,
};
use wasmtime_wasi::p2::bindings::sockets::tcp::{ShutdownType, TcpSocket};
use wasmtime_wasi::p2::bindings::sockets::udp::{
    IncomingDatagram, IncomingDatagramStream, OutgoingDatagram, OutgoingDatagramStream, UdpSocket,
};
use wasmtime_wasi::p2::bindings::sockets::{
    instance_network, ip_name_lookup, network, tcp, tcp_create_socket, udp, udp_create_socket,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError, SocketError, SocketResult};

/// Defines the interfaces of `wasi:sockets`.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    let mut options = network::LinkOptions::default();
    options.network_error_code(true);
    network::add_to_linker::<_, SocketsView<'_>>(linker, &options, T::sockets)?;
    instance_network::add_to_linker::<_, SocketsView<'_>>(linker, T::sockets)?;
    ip_name_lookup::add_to_linker::<_, SocketsView<'_>>(linker, T::sockets)?;
    tcp_create_socket::add_to_linker::<_, SocketsView<'_>>(linker, T::sockets)?;
    tcp::add_to_linker::<_, SocketsView<'_>>(linker, T::sockets)?;
    udp_create_socket::add_to_linker::<_, SocketsView<'_>>(linker, T::sockets)?;
    udp::add_to_linker::<_, SocketsView<'_>>(linker, T::sockets)
}

impl network::Host for SocketsView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> Result<ErrorCode> {
        error.downcast()
    }

    /// No stream is a network connection, so no stream error is a network error.
    fn network_error_code(&mut self, _: Resource<IoError>) -> Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl instance_network::Host for SocketsView<'_> {
    fn instance_network(&mut self) -> Result<Resource<Network>> {
        self.objects.insert(Object::Network)
    }
}

impl network::HostNetwork for SocketsView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> Result<()> {
        self.objects.remove(network.rep())?;
        Ok(())
    }
}

impl ip_name_lookup::Host for SocketsView<'_> {
    fn resolve_addresses(
        &mut self,
        _: Resource<Network>,
        _: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        Err(ErrorCode::AccessDenied.into())
    }
}

impl tcp_create_socket::Host for SocketsView<'_> {
    fn create_tcp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        Err(ErrorCode::AccessDenied.into())
    }
}

impl udp_create_socket::Host for SocketsView<'_> {
    async fn create_udp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        Err(ErrorCode::AccessDenied.into())
    }
}

impl ip_name_lookup::HostResolveAddressStream for SocketsView<'_> {
    fixed_answers! { Err(ErrorCode::AccessDenied.into());
        resolve_next_address(Resource<ResolveAddressStream>) -> SocketResult<Option<IpAddress>>;
    }

    fixed_answers! { Err(absent_resource("wasi:sockets/ip-name-lookup#resolve-address-stream"));
        subscribe(Resource<ResolveAddressStream>) -> Result<Resource<DynPollable>>;
        drop(Resource<ResolveAddressStream>) -> Result<()>;
    }
}

impl tcp::Host for SocketsView<'_> {}

impl tcp::HostTcpSocket for SocketsView<'_> {
    fixed_answers! { async Err(ErrorCode::InvalidState.into());
        start_bind(Resource<TcpSocket>, Resource<Network>, IpSocketAddress) -> SocketResult<()>;
        start_listen(Resource<TcpSocket>) -> SocketResult<()>;
    }

    fixed_answers! { Err(ErrorCode::InvalidState.into());
        finish_bind(Resource<TcpSocket>) -> SocketResult<()>;
        start_connect(Resource<TcpSocket>, Resource<Network>, IpSocketAddress) -> SocketResult<()>;
        finish_connect(Resource<TcpSocket>) -> SocketResult<(Resource<DynInputStream>, Resource<DynOutputStream>)>;
        finish_listen(Resource<TcpSocket>) -> SocketResult<()>;
        accept(Resource<TcpSocket>) -> SocketResult<(Resource<TcpSocket>, Resource<DynInputStream>, Resource<DynOutputStream>)>;
        local_address(Resource<TcpSocket>) -> SocketResult<IpSocketAddress>;
        remote_address(Resource<TcpSocket>) -> SocketResult<IpSocketAddress>;
        set_listen_backlog_size(Resource<TcpSocket>, u64) -> SocketResult<()>;
        keep_alive_enabled(Resource<TcpSocket>) -> SocketResult<bool>;
        set_keep_alive_enabled(Resource<TcpSocket>, bool) -> SocketResult<()>;
        keep_alive_idle_time(Resource<TcpSocket>) -> SocketResult<u64>;
        set_keep_alive_idle_time(Resource<TcpSocket>, u64) -> SocketResult<()>;
        keep_alive_interval(Resource<TcpSocket>) -> SocketResult<u64>;
        set_keep_alive_interval(Resource<TcpSocket>, u64) -> SocketResult<()>;
        keep_alive_count(Resource<TcpSocket>) -> SocketResult<u32>;
        set_keep_alive_count(Resource<TcpSocket>, u32) -> SocketResult<()>;
        hop_limit(Resource<TcpSocket>) -> SocketResult<u8>;
        set_hop_limit(Resource<TcpSocket>, u8) -> SocketResult<()>;
        receive_buffer_size(Resource<TcpSocket>) -> SocketResult<u64>;
        set_receive_buffer_size(Resource<TcpSocket>, u64) -> SocketResult<()>;
        send_buffer_size(Resource<TcpSocket>) -> SocketResult<u64>;
        set_send_buffer_size(Resource<TcpSocket>, u64) -> SocketResult<()>;
        shutdown(Resource<TcpSocket>, ShutdownType) -> SocketResult<()>;
    }

    fixed_answers! { Err(absent_resource("wasi:sockets/tcp#tcp-socket"));
        is_listening(Resource<TcpSocket>) -> Result<bool>;
        address_family(Resource<TcpSocket>) -> Result<IpAddressFamily>;
        subscribe(Resource<TcpSocket>) -> Result<Resource<DynPollable>>;
        drop(Resource<TcpSocket>) -> Result<()>;
    }
}

impl udp::Host for SocketsView<'_> {}

impl udp::HostUdpSocket for SocketsView<'_> {
    fixed_answers! { async Err(ErrorCode::InvalidState.into());
        start_bind(Resource<UdpSocket>, Resource<Network>, IpSocketAddress) -> SocketResult<()>;
        stream(Resource<UdpSocket>, Option<IpSocketAddress>)
            -> SocketResult<(Resource<IncomingDatagramStream>, Resource<OutgoingDatagramStream>)>;
    }

    fixed_answers! { Err(ErrorCode::InvalidState.into());
        finish_bind(Resource<UdpSocket>) -> SocketResult<()>;
        local_address(Resource<UdpSocket>) -> SocketResult<IpSocketAddress>;
        remote_address(Resource<UdpSocket>) -> SocketResult<IpSocketAddress>;
        unicast_hop_limit(Resource<UdpSocket>) -> SocketResult<u8>;
        set_unicast_hop_limit(Resource<UdpSocket>, u8) -> SocketResult<()>;
        receive_buffer_size(Resource<UdpSocket>) -> SocketResult<u64>;
        set_receive_buffer_size(Resource<UdpSocket>, u64) -> SocketResult<()>;
        send_buffer_size(Resource<UdpSocket>) -> SocketResult<u64>;
        set_send_buffer_size(Resource<UdpSocket>, u64) -> SocketResult<()>;
    }

    fixed_answers! { Err(absent_resource("wasi:sockets/udp#udp-socket"));
        address_family(Resource<UdpSocket>) -> Result<IpAddressFamily>;
        subscribe(Resource<UdpSocket>) -> Result<Resource<DynPollable>>;
        drop(Resource<UdpSocket>) -> Result<()>;
    }
}

impl udp::HostIncomingDatagramStream for SocketsView<'_> {
    fixed_answers! { Err(ErrorCode::InvalidState.into());
        receive(Resource<IncomingDatagramStream>, u64) -> SocketResult<Vec<IncomingDatagram>>;
    }

    fixed_answers! { Err(absent_resource("wasi:sockets/udp#incoming-datagram-stream"));
        subscribe(Resource<IncomingDatagramStream>) -> Result<Resource<DynPollable>>;
        drop(Resource<IncomingDatagramStream>) -> Result<()>;
    }
}

impl udp::HostOutgoingDatagramStream for SocketsView<'_> {
    fixed_answers! { Err(ErrorCode::InvalidState.into());
        check_send(Resource<OutgoingDatagramStream>) -> SocketResult<u64>;
        send(Resource<OutgoingDatagramStream>, Vec<OutgoingDatagram>) -> SocketResult<u64>;
    }

    fixed_answers! { Err(absent_resource("wasi:sockets/udp#outgoing-datagram-stream"));
        subscribe(Resource<OutgoingDatagramStream>) -> Result<Resource<DynPollable>>;
    }

    fixed_answers! { async Err(absent_resource("wasi:sockets/udp#outgoing-datagram-stream"));
        drop(Resource<OutgoingDatagramStream>) -> Result<()>;
    }
}
