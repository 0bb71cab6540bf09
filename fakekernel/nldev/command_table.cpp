#include "fakekernel/nldev/commands.h"

#include <array>
#include <cerrno>

namespace rdmalab::fakekernel::nldev {
namespace {

// The local service answers questions of the kernel, of which there are none here; or sets how long the kernel waits for it.
int answerLocalService(Request& request, std::string&) {
    const bool setTimeout = request.header.operation() == 1, asked = request.header.flags & flagRequest;
    return setTimeout == asked ? 0 : EPERM;
}

// Messages of the iWARP port mapper's daemon, which would answer questions that are never asked here.
int dumpIwarp(DumpState&, Datagram&) {
    return -EINVAL;
}

std::array<CommandEntry, 31> nldevCommands() {
    std::array<CommandEntry, 31> table{};
    table[cmdGet] = {answerGet, dumpGet};
    table[cmdSet] = {answerSet, nullptr, true};
    table[cmdNewLink] = {answerNewLink, nullptr, true};
    table[cmdDelLink] = {answerDelLink, nullptr, true};
    table[cmdPortGet] = {answerPortGet, dumpPortGet};
    table[cmdSysGet] = {answerSysGet};
    table[cmdSysSet] = {answerSysSet, nullptr, true};
    table[cmdResGet] = {answerResGet, dumpResGet};
    for (unsigned command : {cmdResQpGet, cmdResCmIdGet, cmdResCqGet, cmdResMrGet, cmdResPdGet, cmdResCtxGet, cmdResSrqGet})
        table.at(command) = {answerResource, dumpResource};
    for (unsigned command : {cmdResQpGetRaw, cmdResCqGetRaw, cmdResMrGetRaw, cmdResSrqGetRaw})
        table.at(command) = {answerResource, dumpResource, true};
    table[cmdGetCharDev] = {answerGetCharDev};
    table[cmdStatSet] = {answerStatSet, nullptr, true};
    table[cmdStatGet] = {answerStatGet, dumpStatGet};
    table[cmdStatDel] = {answerStatDel, nullptr, true};
    table[cmdStatGetStatus] = {answerStatGetStatus};
    table[cmdNewDev] = {answerNewDev, nullptr, true};
    table[cmdDelDev] = {answerDelDev, nullptr, true};
    table[cmdFrmrPoolsGet] = {nullptr, dumpFrmrPools};
    table[cmdFrmrPoolsSet] = {answerFrmrPoolsSet, nullptr, true};
    return table;
}

} // namespace

const CommandEntry* commandEntry(unsigned client, unsigned operation, const KernelProfile& profile) {
    static const std::array<CommandEntry, 31> nldev = nldevCommands();
    static const CommandEntry localService{answerLocalService, nullptr, true}, iwarp{nullptr, dumpIwarp};
    if (client == clientLocalService)
        return operation < 3 ? &localService : nullptr;
    if (client == clientIwarp)
        return operation < 9 && operation != 3 ? &iwarp : nullptr;
    if (client != clientNldev || operation >= profile.operations || operation >= nldev.size())
        return nullptr;
    const CommandEntry& entry = nldev[operation];
    return entry.answer || entry.dump ? &entry : nullptr;
}

} // namespace rdmalab::fakekernel::nldev
