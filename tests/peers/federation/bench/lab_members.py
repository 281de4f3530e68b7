"""A Synapse module that fills a room with members of names of their own, many in one batch: thousands of joins over HTTP would take
minutes. `POST /_synapse/client/lab/members` with `{"room_id": …, "inviter": …, "first": 0, "count": 500}`; the room must be public."""

from synapse.http.server import DirectServeJsonResource
from synapse.http.servlet import parse_json_object_from_request
from synapse.module_api import ModuleApi
from synapse.types import create_requester


class Members(DirectServeJsonResource):
    def __init__(self, config: dict, api: ModuleApi):
        super().__init__(clock=api._hs.get_clock())
        self.server_name = api.server_name
        # Not of the module API, which can only do them one by one. The version is pinned (requirements.txt).
        self.events = api._hs.get_event_creation_handler()
        api.register_web_resource("/_synapse/client/lab/members", self)

    async def _async_render_POST(self, request):
        asked = parse_json_object_from_request(request)
        numbers = range(asked["first"], asked["first"] + asked["count"])
        joins = [self.join(asked["room_id"], f"@habitant-{number}:{self.server_name}", number) for number in numbers]
        requester = create_requester(asked["inviter"])
        await self.events.create_and_send_new_client_events(requester, asked["room_id"], None, joins, ratelimit=False)
        return 200, {}

    def join(self, room_id: str, user_id: str, number: int) -> dict:
        content = {"membership": "join", "displayname": f"Habitant {number} [Grande Ville]"}
        return {"type": "m.room.member", "room_id": room_id, "sender": user_id, "state_key": user_id, "content": content}
