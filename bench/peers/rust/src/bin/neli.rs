//! The process connector through neli's socket, with one blocking `recv` after the other.

use neli::{
    connector::{CnMsg, CnMsgBuilder, ProcEvent, ProcEventHeader},
    consts::{
        connector::{CnMsgIdx, CnMsgVal, ProcCnMcastOp},
        nl::{NlmF, Nlmsg},
        socket::NlFamily,
    },
    nl::{NlPayload, NlmsghdrBuilder},
    socket::synchronous::NlSocketHandle,
    utils::Groups,
};
use peers::Records;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut records = Records::begin();
    let socket =
        NlSocketHandle::connect(NlFamily::Connector, None, Groups::new_bitmask(CnMsgIdx::Proc.into()))?;
    let send_operation = |operation| -> Result<(), Box<dyn std::error::Error>> {
        let message =
            CnMsgBuilder::default().idx(CnMsgIdx::Proc).val(CnMsgVal::Proc).payload(operation).build()?;
        let request = NlmsghdrBuilder::default()
            .nl_type(Nlmsg::Done)
            .nl_flags(NlmF::empty())
            .nl_payload(NlPayload::Payload(message))
            .build()?;
        Ok(socket.send(&request)?)
    };
    send_operation(ProcCnMcastOp::Listen)?;
    peers::ready();
    while !records.is_over() {
        // An error is a full buffer or the signal. The loop condition distinguishes them.
        let Ok((events, _)) = socket.recv::<Nlmsg, CnMsg<ProcEventHeader>>() else { continue };
        for event in events.flatten() {
            let Some(message) = event.get_payload() else { continue };
            let ProcEventHeader { event, timestamp_ns, .. } = message.payload();
            match *event {
                ProcEvent::Exec { process_pid, process_tgid } => {
                    records.add(process_pid as u32, process_tgid as u32, 1, *timestamp_ns);
                }
                ProcEvent::Exit { process_pid, process_tgid, .. } => {
                    records.add(process_pid as u32, process_tgid as u32, 2, *timestamp_ns);
                }
                _ => {}
            }
        }
    }
    send_operation(ProcCnMcastOp::Ignore)?;
    Ok(records.write()?)
}
