// The worlds of the recordings.
#include "fakekernel/nldev/testing/decode.h"
#include "fakekernel/nldev/testing/recording.h"

#include "fakekernel/nldev/commands.h"
#include "fakekernel/nldev/nldev.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace rdmalab::fakekernel::nldev {
namespace {

struct KnownNetdev {
    const char* name;
    std::uint64_t mac;
    int ifindex;
};

std::smatch search(const std::string& text, const std::string& pattern) {
    std::smatch match;
    std::regex_search(text, match, std::regex(pattern));
    return match;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::uint64_t valueOf(const std::vector<DecodedAttribute>& attributes, Attribute type) {
    for (const DecodedAttribute& attribute : attributes)
        if (attribute.type == type)
            return attribute.number();
    return 0;
}

std::optional<DecodedAttribute> find(const std::vector<DecodedAttribute>& attributes, Attribute type) {
    for (const DecodedAttribute& attribute : attributes)
        if (attribute.type == type)
            return attribute;
    return std::nullopt;
}

template <typename Object>
Object resource(const std::vector<DecodedAttribute>& entry, Attribute idAttribute) {
    Object object;
    object.id = static_cast<std::uint32_t>(valueOf(entry, idAttribute));
    object.pid = static_cast<std::uint32_t>(valueOf(entry, attrResPid));
    if (const auto name = find(entry, attrResKernName))
        object.kernelName = name->text();
    return object;
}

std::string addressOf(const std::vector<DecodedAttribute>& entry, Attribute type) {
    const auto address = find(entry, type);
    return address ? std::string(address->value) : std::string();
}

// The object that produced these attributes.
void learnObject(DeviceResources& into, unsigned operation, const std::vector<DecodedAttribute>& entry) {
    const auto number = [&](Attribute type) { return static_cast<std::uint32_t>(valueOf(entry, type)); };
    switch (operation) {
    case cmdResPdGet: {
        auto pd = resource<ProtectionDomain>(entry, attrResPdn);
        pd.localDmaKey = number(attrResLocalDmaLkey);
        pd.users = valueOf(entry, attrResUsecnt);
        pd.context = number(attrResCtxn);
        into.pds.push_back(pd);
        break;
    }
    case cmdResCqGet: {
        auto cq = resource<CompletionQueue>(entry, attrResCqn);
        cq.entries = number(attrResCqe);
        cq.users = valueOf(entry, attrResUsecnt);
        cq.pollContext = static_cast<std::uint8_t>(number(attrResPollCtx));
        cq.adaptiveModeration = number(attrDevDim) != 0;
        cq.context = number(attrResCtxn);
        into.cqs.push_back(cq);
        break;
    }
    case cmdResQpGet: {
        auto qp = resource<QueuePair>(entry, attrResLqpn);
        qp.number = qp.id;
        qp.port = number(attrPortIndex);
        qp.pdn = number(attrResPdn);
        qp.type = static_cast<std::uint8_t>(number(attrResType));
        qp.state = static_cast<std::uint8_t>(number(attrResState));
        qp.remoteNumber = number(attrResRqpn);
        qp.receivePsn = number(attrResRqPsn);
        qp.sendPsn = number(attrResSqPsn);
        qp.pathMigration = static_cast<std::uint8_t>(number(attrResPathMigState));
        if (qp.type <= 1)
            qp.id |= qp.port << 24;
        into.qps.push_back(qp);
        break;
    }
    case cmdResCmIdGet: {
        auto id = resource<ConnectionId>(entry, attrResCmIdn);
        id.port = number(attrPortIndex);
        id.qpNumber = number(attrResLqpn);
        id.qpType = static_cast<std::uint8_t>(number(attrResType));
        id.portSpace = number(attrResPs);
        id.state = static_cast<std::uint8_t>(number(attrResState));
        id.source = addressOf(entry, attrResSrcAddr);
        id.destination = addressOf(entry, attrResDstAddr);
        into.connections.push_back(id);
        break;
    }
    case cmdResMrGet: {
        auto mr = resource<MemoryRegion>(entry, attrResMrn);
        mr.remoteKey = number(attrResRkey);
        mr.localKey = number(attrResLkey);
        mr.length = valueOf(entry, attrResMrLen);
        mr.pdn = number(attrResPdn);
        into.mrs.push_back(mr);
        break;
    }
    case cmdResCtxGet:
        into.contexts.push_back(resource<Resource>(entry, attrResCtxn));
        break;
    case cmdResSrqGet: {
        auto srq = resource<SharedReceiveQueue>(entry, attrResSrqn);
        srq.type = static_cast<std::uint8_t>(number(attrResType));
        srq.pdn = number(attrResPdn);
        if (const auto cq = find(entry, attrResCqn))
            srq.cq = static_cast<std::uint32_t>(cq->number());
        if (const auto qps = find(entry, attrResQp))
            for (const DecodedAttribute& range : decodeAttributes(qps->value)) {
                const auto bounds = decodeAttributes(range.value);
                const std::uint64_t single = valueOf(bounds, attrResLqpn);
                for (std::uint64_t qp = single ? single : valueOf(bounds, attrMinRange);
                     qp <= (single ? single : valueOf(bounds, attrMaxRange)); ++qp) {
                    QueuePair member;
                    member.id = member.number = static_cast<std::uint32_t>(qp);
                    member.srq = srq.id;
                    into.qps.push_back(member);
                }
            }
        into.srqs.push_back(srq);
        break;
    }
    default:
        break;
    }
}

void learnCounts(DeviceResources& into, const DecodedAttribute& summary) {
    into = {};
    for (const DecodedAttribute& entry : decodeAttributes(summary.value)) {
        const auto values = decodeAttributes(entry.value);
        const std::string name = find(values, attrResSummaryEntryName)->text();
        const std::size_t count = valueOf(values, attrResSummaryEntryCurr);
        if (name == "pd")
            into.pds.resize(count);
        else if (name == "cq")
            into.cqs.resize(count);
        else if (name == "qp")
            into.qps.resize(count);
        else if (name == "cm_id")
            into.connections.resize(count);
        else if (name == "mr")
            into.mrs.resize(count);
        else if (name == "ctx")
            into.contexts.resize(count);
        else if (name == "srq")
            into.srqs.resize(count);
    }
}

// What ib_core itself has on every device with management datagrams.
DeviceResources kernelObjects() {
    DeviceResources objects;
    ProtectionDomain pd;
    pd.kernelName = "ib_core";
    objects.pds = {pd};
    CompletionQueue cq;
    cq.kernelName = "ib_core";
    objects.cqs = {cq};
    QueuePair gsi;
    gsi.kernelName = "ib_core";
    gsi.number = gsi.port = gsi.type = 1;
    gsi.state = 3;
    gsi.id = 0x1000001;
    objects.qps = {gsi};
    return objects;
}

// Of devices that were made after what the description tells.
std::string netdevOfLaterDevice(const Recording& recording, std::uint32_t index) {
    if (recording.session == "s3")
        return "v0"; // deleted and made again
    if (recording.session == "s9")
        return "lo";
    if (recording.session == "y8")
        return "va";
    return index == 3 && recording.session[0] == 'x' ? "v1" : "mv0";
}

std::string attributesFromText(const std::vector<std::string>& words) {
    Datagram datagram(4096);
    for (const std::string& word : words) {
        const std::size_t equals = word.find('='), colon = word.find(':');
        const auto type = static_cast<std::uint16_t>(std::stoul(word.substr(0, equals)));
        const std::string kind = word.substr(equals + 1, colon - equals - 1), value = word.substr(colon + 1);
        if (kind == "s")
            datagram.text(type, value);
        else if (kind == "u8")
            datagram.u8(type, static_cast<std::uint8_t>(std::stoul(value)));
        else if (kind == "ns")
            datagram.u32(type, 5);
        else
            datagram.u32(type, static_cast<std::uint32_t>(std::stoul(value)));
    }
    return datagram.take();
}

} // namespace

std::filesystem::path recordingDirectory() {
    return std::filesystem::path(RDMALAB_SOURCE_DIR) / "../shared/golden/nldev";
}

std::string fromHex(const std::string& hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes += static_cast<char>(std::stoul(hex.substr(i, 2), nullptr, 16));
    return bytes;
}

std::vector<Recording> allRecordings() {
    std::vector<Recording> all;
    if (!std::filesystem::exists(recordingDirectory()))
        return all;
    std::set<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(recordingDirectory()))
        if (entry.path().extension() == ".json")
            files.insert(entry.path());
    const auto text = [](const nlohmann::json& json, const char* key) {
        return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
    };
    for (const std::filesystem::path& file : files) {
        std::ifstream stream(file);
        const auto json = nlohmann::json::parse(stream);
        Recording one;
        one.name = text(json, "name");
        one.session = one.name.substr(0, one.name.find('-'));
        one.kernel = text(json, "kernel");
        one.mode = text(json, "mode");
        one.state = text(json, "state");
        one.netns = text(json, "netns");
        one.caller = text(json, "caller");
        one.trigger = text(json, "trigger");
        if (json.contains("fds"))
            one.fds = json["fds"].dump();
        one.multicast = text(json, "kind") == "multicast";
        one.extAck = true;
        if (json.contains("sockopts") && json["sockopts"].is_array()) {
            const std::string options = json["sockopts"].dump();
            one.extAck = has(options, "EXT_ACK");
            one.capAck = has(options, "CAP_ACK");
        }
        one.portId = json.value("portid", 0U);
        one.request = fromHex(text(json, "request_hex"));
        for (const auto& reply : json["replies"])
            one.replies.push_back(fromHex(reply.get<std::string>()));
        all.push_back(std::move(one));
    }
    return all;
}

World::World(const Recording& recording) : devices(recording.profile()) {
    devices.netnsMode = recording.exclusive() ? hardware::RdmaNetnsMode::exclusive : hardware::RdmaNetnsMode::shared;
    static const std::set<std::string> alone = {"s0", "s1", "s2", "s2d", "s2e", "x0"};
    otherNamespaces = !alone.count(recording.session) && !recording.state.starts_with("only the initial namespace");
    addNetdevs(recording);
    addDevices(recording);
    for (const auto& [index, one] : devices.devices)
        // A move takes the kernel's own objects off the device, and nothing makes them anew.
        if (one.netns == 1)
            resources.byDevice[index] = kernelObjects();
    if (recording.session == "s5wait") { // ibv_rc_pingpong
        QueuePair qp;
        qp.id = qp.number = 17;
        qp.port = 1;
        resources.byDevice[2].qps.insert(resources.byDevice[2].qps.begin(), qp);
    }
    learn(recording);
}

NetnsId World::netns(const std::string& name) {
    return namespaces.emplace(name, namespaces.size() + 1).first->second;
}

void World::addNetdevs(const Recording& recording) {
    const std::string& s = recording.session;
    const bool y = s[0] == 'y', eight = s == "s8" || s == "s9";
    const std::uint64_t base = std::uint64_t(0x0200000000) << 8;
    netdevs.push_back({"lo", 1, 1, 0, false});
    netdevs.push_back({"v0", 1, 3, base | (y ? 0x1001 : eight ? 0x21 : 1), false});
    netdevs.push_back({"v0.5", 1, 9, base | 1, true});
    const std::string podx = eight ? "podx" : "init";
    netdevs.push_back({"v1", netns(podx), 2, base | (y ? 0x1002 : eight ? 0x22 : 2), false});
    const bool old = recording.kernel.starts_with("6.");
    const std::string first = y ? "poda" : old ? "pod1" : "a", second = y ? "podb" : old ? "pod2" : "b";
    if (!eight) {
        netdevs.push_back({"va", netns(first), 2, base | (y ? 0x1a01 : 0xa01), false});
        netdevs.push_back({"vb", netns(second), 2, base | (y ? 0x1b01 : 0xb01), false});
        netdevs.push_back({"mv0", netns(first), 4, base | 0xa11, false});
    } else {
        netdevs.push_back({"lo", netns(podx), 1, 0, false});
    }
}

void World::device(std::uint32_t index, const std::string& name, const std::string& netdev, const std::string& inNetns) {
    for (const TestNetdev& one : netdevs) {
        if (one.name != netdev)
            continue;
        Device made = devices.softRoce(index, name, {one.name, one.ifindex, one.netns}, one.mac);
        made.netns = netns(inNetns);
        devices.devices[index] = made;
        ++devices.nodeNumber;
    }
}

void World::addDevices(const Recording& recording) {
    const std::string &state = recording.state, &session = recording.session;
    std::smatch match;
    const auto matches = [&](const std::string& pattern) { return !(match = search(state, pattern)).empty(); };
    if (matches("index 0 (\\S+) \\(rxe on va .*, 1 (\\S+) \\(rxe on vb .*, 2 (\\S+) \\(rxe on v0")) {
        device(0, match[1], "va");
        device(1, match[2], "vb");
        device(2, match[3], "v0");
        if (session == "s6" && recording.multicast)
            device(3, recording.kernel.starts_with("6.") ? "mlx5_12" : "rxm", "mv0");
    } else if (matches("before any device move: 0 (\\S+) \\(.*, 1 (\\S+) \\(.*, 2 (\\S+) \\(")) {
        device(0, match[1], "va");
        device(1, match[2], "vb");
        device(2, match[3], "v0");
    } else if (matches("after 'dev set netns': 0 (\\S+) \\(va\\) moved to ([a-z0-9]+), 1 (\\S+) \\(vb\\) moved to ([a-z0-9]+), 2 "
                       "(\\S+) \\(v0\\)")) {
        const bool moved = devices.profile.softRoceMoves;
        const std::string first = match[1], second = match[3], third = match[5], one = match[2], two = match[4];
        if (!has(state, "index 0 was deleted"))
            device(0, first, "va", moved ? one : "init");
        device(1, second, "vb", moved ? two : "init");
        device(2, third, "v0");
        if (matches("also 3 (\\S+) \\(on v1\\) in init"))
            device(3, match[1], "v1");
        if (session == "x6" && !recording.multicast) { // the namespaces are gone, and their veths
            devices.devices.erase(0);
            devices.devices.erase(1);
        }
    } else if (matches("^2 (\\S+) on v0, v0 stays in init")) {
        device(2, match[1], "v0");
        if (matches("also 3 (\\S+) \\(on v1\\) in init"))
            device(3, match[1], "v1");
    } else if (matches("^0 (\\S+) \\(rxe on v0, init\\), 1 (\\S+) \\(rxe on v1")) {
        device(0, match[1], "v0");
        device(1, match[2], "v1");
    } else if (matches("^1 (\\S+) \\(rxe on v1 in")) {
        device(1, match[1], "v1");
        devices.nextIndex = 2;
    } else if (session[0] == 'y') {
        const bool held = has(state, "poda holds mlx5_0");
        device(0, "mlx5_0", "v0", session == "y6" || held ? "poda" : "init");
        if (session != "y8")
            device(1, "mlx5_1", "va",
                   has(state, "back to init (its netdev") ? "init"
                   : has(state, "moved on to podb")       ? "podb"
                                                          : "poda");
        if (!held)
            device(2, "mlx5_2", "vb", "podb");
        if (session == "y5b" || recording.name == "y5-dellink_init_copy")
            device(3, "mlx5_1", "v1");
        devices.nextIndex = 4;
    } else if (matches("device 1 rxlo")) {
        device(1, "rxlo", "lo");
    } else if (matches("device 0 r/x")) {
        device(0, "r/x", "v0");
    } else if (matches("index 2 (\\S+) \\(rxe on v0") || matches("\\((\\S+) index 2 on v0") ||
               matches("with (\\S+) \\(index 2, rxe on v0")) {
        device(recording.name == "s3-dellink_from_ns" ? 3 : 2, match[1], "v0");
        Device& only = devices.devices.begin()->second;
        if (session == "s2d" || session == "s2e") {
            only.portState = 1;
            only.physicalState = session == "s2e" ? 3 : 2;
        }
        if (session == "s2" && has(recording.name, "stat_set_manual"))
            only.counterMode = only.counterMask = 1; // an earlier request made the mode automatic
    }
}

// What the description leaves open.
void World::learn(const Recording& recording) {
    if (recording.multicast) {
        // Which index a new device gets depends on how many there were before.
        for (const std::string& reply : recording.replies)
            for (const DecodedMessage& message : decodeMessages(reply))
                if (const auto index = find(decodeAttributes(message.body), attrDevIndex))
                    devices.nextIndex = static_cast<std::uint32_t>(index->number());
        return;
    }
    Header asked;
    std::memcpy(&asked.type, recording.request.data() + 4, 2);
    std::memcpy(&asked.flags, recording.request.data() + 6, 2);
    const unsigned operation = asked.operation();
    const bool dump = asked.flags & flagDump;
    std::map<std::uint32_t, std::string> told;
    for (const std::string& reply : recording.replies) {
        for (const DecodedMessage& message : decodeMessages(reply)) {
            if (message.type < firstRealType)
                continue;
            const auto attributes = decodeAttributes(message.body);
            if (operation == cmdSysGet)
                devices.qkey = valueOf(attributes, attrPrivilegedQkeyMode) != 0;
            const auto name = find(attributes, attrDevName);
            if (!name)
                continue;
            const auto index = static_cast<std::uint32_t>(valueOf(attributes, attrDevIndex));
            told[index] = name->text();
            if (!devices.devices.count(index))
                device(index, name->text(), netdevOfLaterDevice(recording, index));
            Device& known = devices.devices.at(index);
            known.name = name->text();
            if (const auto moderation = find(attributes, attrDevDim); moderation && operation == cmdGet)
                known.adaptiveModeration = moderation->number() != 0;
            if (const auto netdev = find(attributes, attrNdevName))
                known.netdev->name = netdev->text();
            DeviceResources& objects = resources.byDevice[index];
            if (const auto summary = find(attributes, attrResSummary))
                learnCounts(objects, *summary);
            if (const auto table = find(attributes, attrStatHwCounters); table && operation == cmdStatGet)
                for (const DecodedAttribute& entry : decodeAttributes(table->value))
                    resources.counters[index].push_back(valueOf(decodeAttributes(entry.value), attrStatHwCounterEntryValue));
            if (operation < cmdResQpGet || operation == cmdGetCharDev)
                continue;
            objects = {};
            if (!dump)
                learnObject(objects, operation, attributes);
            else
                for (const DecodedAttribute& table : attributes)
                    if (isNest(table.type))
                        for (const DecodedAttribute& entry : decodeAttributes(table.value))
                            learnObject(objects, operation, decodeAttributes(entry.value));
        }
    }
    // Dumps made after something that the description does not tell of any more.
    static const std::set<std::string> later = {"x6", "x7", "y7", "y8", "s6"};
    const bool list = dump && (operation == cmdGet || operation == cmdResGet);
    if (list && (later.count(recording.session) || has(recording.name, "_after") || has(recording.name, "_end")))
        std::erase_if(devices.devices, [&](const auto& one) { return !told.count(one.first); });
}

Caller World::callerOf(const Recording& recording) {
    Caller caller;
    const bool userNamespace = has(recording.caller, "new user namespace");
    caller.socketNetns = netns(userNamespace ? "of the new user namespace" : recording.netns);
    caller.threadNetns = has(recording.caller, "the thread back in init") ? 1 : caller.socketNetns;
    caller.netAdmin = has(recording.caller, "root") && !userNamespace;
    caller.portId = recording.portId;
    caller.extAck = recording.extAck;
    caller.capAck = recording.capAck;
    caller.nextReceive = 16384;
    caller.otherNamespaces = [this] { return otherNamespaces; };
    const std::smatch target = search(recording.fds, "fd 5 = network namespace ([a-z0-9]+)");
    const bool noNetns = has(recording.fds, "/dev/null");
    const NetnsId targetNetns = target.empty() ? 0 : netns(target[1]);
    caller.resolveNetns = [targetNetns, noNetns](std::uint32_t descriptor) {
        if (descriptor != 5 || (!targetNetns && !noNetns))
            return ResolvedNetns{EBADF, 0};
        return noNetns ? ResolvedNetns{EINVAL, 0} : ResolvedNetns{0, targetNetns};
    };
    const NetnsId viewer = caller.socketNetns;
    caller.findNetdev = [this, viewer](const std::string& name) -> std::optional<VisibleNetdev> {
        for (const TestNetdev& one : netdevs)
            if (one.name == name && one.netns == viewer)
                return VisibleNetdev{one.name, one.ifindex, one.vlan};
        return std::nullopt;
    };
    return caller;
}

void World::netdevGone(const std::string& name) {
    std::vector<std::uint32_t> gone;
    for (const auto& [index, one] : devices.devices)
        if (one.netdev && one.netdev->name == name)
            gone.push_back(index);
    for (const std::uint32_t index : gone) {
        devices.devices[index].netns = 1; // a namespace that dies gives its devices back first
        devices.remove(index);
    }
}

bool World::pull(const std::string& trigger) {
    std::istringstream stream(trigger);
    std::vector<std::string> words{std::istream_iterator<std::string>(stream), {}};
    std::smatch match;
    if (trigger == "none")
        return true;
    if (words.at(0) == "nl") {
        Recording request;
        request.netns = "init";
        request.caller = "root";
        std::size_t at = 1;
        if (words.at(at) == "-n") {
            request.netns = words.at(at + 1);
            at += 2;
        }
        const unsigned operation = static_cast<unsigned>(std::stoul(words.at(at + 1)));
        const auto flags = static_cast<std::uint16_t>(std::stoul(words.at(at + 2), nullptr, 16));
        for (const std::string& word : words)
            if (const auto target = search(word, "^68=ns:(.*)"); !target.empty())
                request.fds = "fd 5 = network namespace " + target[1].str();
        Datagram datagram(4096);
        const std::size_t message = datagram.begin(messageType(clientNldev, operation), flags, 1, 0);
        datagram.raw(attributesFromText({words.begin() + static_cast<long>(at) + 3, words.end()}));
        datagram.end(message);
        Nldev(devices, resources, devices.profile).handle(datagram.take(), callerOf(request));
        return true;
    }
    if (!(match = search(trigger, "^ip link del (\\S+)")).empty()) {
        netdevGone(match[1]);
        return true;
    }
    if (!(match = search(trigger, "^ip (-n \\S+ )?link set (\\S+) netns (\\S+)")).empty()) {
        netdevGone(match[2]); // the driver takes its device away
        return true;
    }
    if (!(match = search(trigger, "^ip (-n \\S+ )?link set (\\S+) name (\\S+)")).empty()) {
        for (auto& [index, one] : devices.devices)
            if (one.netdev && one.netdev->name == match[2]) {
                one.netdev->name = match[3];
                if (devices.profile.renameEvents)
                    devices.tell(EventType::netdevRenamed, one);
            }
        return true;
    }
    if (!(match = search(trigger, "^ip netns del ([a-z0-9]+)")).empty()) {
        const NetnsId dead = netns(match[1]);
        for (const TestNetdev& one : netdevs)
            if (one.netns == dead && one.name != "lo")
                netdevGone(one.name);
        return true;
    }
    return false;
}

} // namespace rdmalab::fakekernel::nldev
