// Numbers of the kernel's RDMA netlink interface (rdma/rdma_netlink.h, linux/netlink.h). The
// system's own header may be older than the kernels that are imitated.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rdmalab::fakekernel::nldev {

enum Client : unsigned { clientIwarp = 2, clientLocalService = 4, clientNldev = 5 };

constexpr std::uint16_t messageType(unsigned client, unsigned operation) {
    return static_cast<std::uint16_t>(client << 10 | operation);
}

enum Command : unsigned {
    cmdGet = 1,
    cmdSet = 2,
    cmdNewLink = 3,
    cmdDelLink = 4,
    cmdPortGet = 5,
    cmdSysGet = 6,
    cmdSysSet = 7,
    cmdResGet = 9,
    cmdResQpGet = 10,
    cmdResCmIdGet = 11,
    cmdResCqGet = 12,
    cmdResMrGet = 13,
    cmdResPdGet = 14,
    cmdGetCharDev = 15,
    cmdStatSet = 16,
    cmdStatGet = 17,
    cmdStatDel = 18,
    cmdResQpGetRaw = 19,
    cmdResCqGetRaw = 20,
    cmdResMrGetRaw = 21,
    cmdResCtxGet = 22,
    cmdResSrqGet = 23,
    cmdStatGetStatus = 24,
    cmdResSrqGetRaw = 25,
    cmdNewDev = 26,
    cmdDelDev = 27,
    cmdMonitor = 28,
    cmdFrmrPoolsGet = 29,
    cmdFrmrPoolsSet = 30,
};

enum Attribute : std::uint16_t {
    attrDevIndex = 1,
    attrDevName = 2,
    attrPortIndex = 3,
    attrCapFlags = 4,
    attrFwVersion = 5,
    attrNodeGuid = 6,
    attrSysImageGuid = 7,
    attrSubnetPrefix = 8,
    attrLid = 9,
    attrSmLid = 10,
    attrLmc = 11,
    attrPortState = 12,
    attrPortPhysState = 13,
    attrDevNodeType = 14,
    attrResSummary = 15,
    attrResSummaryEntry = 16,
    attrResSummaryEntryName = 17,
    attrResSummaryEntryCurr = 18,
    attrResQp = 19,
    attrResQpEntry = 20,
    attrResLqpn = 21,
    attrResRqpn = 22,
    attrResRqPsn = 23,
    attrResSqPsn = 24,
    attrResPathMigState = 25,
    attrResType = 26,
    attrResState = 27,
    attrResPid = 28,
    attrResKernName = 29,
    attrResCmId = 30,
    attrResCmIdEntry = 31,
    attrResPs = 32,
    attrResSrcAddr = 33,
    attrResDstAddr = 34,
    attrResCq = 35,
    attrResCqEntry = 36,
    attrResCqe = 37,
    attrResUsecnt = 38,
    attrResPollCtx = 39,
    attrResMr = 40,
    attrResMrEntry = 41,
    attrResRkey = 42,
    attrResLkey = 43,
    attrResIova = 44,
    attrResMrLen = 45,
    attrResPd = 46,
    attrResPdEntry = 47,
    attrResLocalDmaLkey = 48,
    attrResUnsafeGlobalRkey = 49,
    attrNdevIndex = 50,
    attrNdevName = 51,
    attrResPdn = 60,
    attrResCqn = 61,
    attrResMrn = 62,
    attrResCmIdn = 63,
    attrResCtxn = 64,
    attrLinkType = 65,
    attrNetnsMode = 66,
    attrDevProtocol = 67,
    attrNetnsFd = 68,
    attrCharDevType = 69,
    attrCharDevName = 70,
    attrCharDevAbi = 71,
    attrCharDev = 72,
    attrUverbsDriverId = 73,
    attrStatMode = 74,
    attrStatRes = 75,
    attrStatAutoModeMask = 76,
    attrStatCounter = 77,
    attrStatCounterEntry = 78,
    attrStatCounterId = 79,
    attrStatHwCounters = 80,
    attrStatHwCounterEntry = 81,
    attrStatHwCounterEntryName = 82,
    attrStatHwCounterEntryValue = 83,
    attrDevDim = 84,
    attrResRaw = 85,
    attrResCtx = 86,
    attrResCtxEntry = 87,
    attrResSrq = 88,
    attrResSrqEntry = 89,
    attrResSrqn = 90,
    attrMinRange = 91,
    attrMaxRange = 92,
    attrCopyOnFork = 93,
    attrStatHwCounterIndex = 94,
    attrStatHwCounterDynamic = 95,
    attrPrivilegedQkeyMode = 96,
    attrDriverDetails = 97,
    attrDevType = 99,
    attrParentName = 100,
    attrNameAssignType = 101,
    attrEventType = 102,
    attrMonitorMode = 103,
    attrFrmrPoolsAgingPeriod = 115,
    attrFrmrPoolPinnedHandles = 116,
    attrResSummaryEntryMax = 118,
};

inline constexpr unsigned notifyGroup = 4; // bind mask 1 << (notifyGroup - 1)

// struct nlmsghdr and struct nlattr, host byte order.
inline constexpr std::size_t headerSize = 16, attributeHeaderSize = 4;
enum HeaderFlag : std::uint16_t {
    flagRequest = 0x1,
    flagMulti = 0x2,
    flagAck = 0x4,
    flagDump = 0x300, // either bit of it means a dump
    flagCapped = 0x100,
    flagAckTlvs = 0x200,
};
enum ControlType : std::uint16_t { typeError = 2, typeDone = 3, firstRealType = 16 };
inline constexpr std::uint16_t attributeNested = 0x8000, attributeTypeMask = 0x3fff;

constexpr std::size_t aligned(std::size_t length) {
    return (length + 3) & ~std::size_t(3);
}

} // namespace rdmalab::fakekernel::nldev
