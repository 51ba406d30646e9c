from __future__ import annotations

import pytest

from streamfer.media.redact import redact_text, redact_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://cam/1", "rtsp://cam/1"),
        ("rstp:/u:hunter2@cam/1", "rstp:/***@cam/1"),
        ("C:/video/a@b.mp4", "C:/video/a@b.mp4"),
        ("x.mp4:/no address", "x.mp4:/no address"),
        ("rtsp://cam:554/1", "rtsp://cam:554/1"),
        ("rtsp://u:hunter2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://hunter2@cam:554/1", "rtsp://***@cam:554/1"),
        ("rtsp://:hunter2@cam/1", "rtsp://***@cam/1"),
        ("RTSP://u:hunter2@CAM/1", "RTSP://***@CAM/1"),
        ("rtsps://u:hunter2@[fe80::1%25eth0]:322/1", "rtsps://***@[fe80::1%25eth0]:322/1"),
        ("rtsp://[2001:db8::1]:554/1", "rtsp://[2001:db8::1]:554/1"),
        ("rtsp://u:hunt@er2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:hunt%40er2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:hunter2%40cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:hunt/er2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:#hunter2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:hunt?er2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:12/hunter2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:hunt er2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:hunt'er2@cam/1", "rtsp://***@cam/1"),
        ("rtsp:/u:hunter2@cam/1", "rtsp:/***@cam/1"),
        ("rtsp:u:hunter2@cam/1", "rtsp:***@cam/1"),
        ("https://h/live.m3u8?token=hunter2", "https://h/live.m3u8?token=***"),
        ("https://h/a?x=1&ACCESS_TOKEN=hunter2&y=2", "https://h/a?x=1&ACCESS_TOKEN=***&y=2"),
        ("https://h/a?X-Amz-Signature=hunter2/=&y=2", "https://h/a?X-Amz-Signature=***&y=2"),
        ("https://h/a?y=2&password=hunt er2", "https://h/a?y=2&password=***"),
        ("srt://h:9000?mode=caller&passphrase=hunter2", "srt://h:9000?mode=caller&passphrase=***"),
        ("srt://h:9000?streamid=#!::u=a,s=hunter2", "srt://h:9000?streamid=***"),
        ("rtsp://h/channel=1_password=hunter2_stream=0", "rtsp://h/channel=1_password=***"),
        ("http://h/?next=rtsp://u:hunter2@cam/1", "http://h/?next=rtsp://***@cam/1"),
        ("http://h/?next=rtsp%3A%2F%2Fu%3Ahunter2%40cam&y=2", "http://h/?next=***&y=2"),
        ("http://h/@me/index.m3u8", "http://h/@me/index.m3u8"),
        ("rtsp://u:p@ss/hunter2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://u/x:hunter2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://h/user=u&password=hunter2&channel=1", "rtsp://h/user=***&password=***&channel=1"),
        ("rtsp://h/channel=1_p=hunter2", "rtsp://h/channel=1_p=***"),
        ("http://h/?codec=h264&fps=5&code=hunter2", "http://h/?codec=h264&fps=5&code=***"),
        ("http://h/?p=hunter2&x=1", "http://h/?p=***&x=1"),
        ("http://h/?psw=hunter2&pwd=hunter2", "http://h/?psw=***&pwd=***"),
        ("http://h/?loginuse=u&loginpas=hunter2", "http://h/?loginuse=***&loginpas=***"),
        ("http://h/?auth=hunter2#token=hunter2", "http://h/?auth=***"),
        ("http://h/%70assword%3Dhunter2", "http://h/%70assword%3D***"),
        ("http://h/password/hunter2/1", "http://h/password/***/1"),
        ("http://h/live/joe/hunter2/7.ts", "http://h/live/***/7.ts"),
        ("http://h/9f8e7d6c5b4a39281706/1.m3u8", "http://h/***/1.m3u8"),
        ("http://h/1b4e28ba-2fa1-11d2-883f-0016d3cca427/1", "http://h/***/1"),
        ("rtmp://h/app/abcd-efgh-1234-ijkl-5678", "rtmp://h/app/***"),
        ("http://h/?v=aGVsbG8gd29ybGQhIQx3Zk9&y=2", "http://h/?v=***&y=2"),
        ("rtsp://h/h264Preview_01_main", "rtsp://h/h264Preview_01_main"),
        (
            "rtsp://h/cam/realmonitor?channel=1&subtype=0",
            "rtsp://h/cam/realmonitor?channel=1&subtype=0",
        ),
        ("rtsp://h/Streaming/Channels/101", "rtsp://h/Streaming/Channels/101"),
        (
            "rtsp://h/axis-media/media.amp?videocodec=h264&resolution=640x480",
            "rtsp://h/axis-media/media.amp?videocodec=h264&resolution=640x480",
        ),
        (r"movie=rtsp\\://u\\:hunter2@cam/1", r"movie=rtsp\\://***@cam/1"),
        ("my holiday@home.mp4", "my holiday@home.mp4"),
        ("lavfi:testsrc=size=64x64:rate=10", "lavfi:testsrc=size=64x64:rate=10"),
        ("", ""),
    ],
)
def test_url_loses_its_credentials_and_nothing_else(url: str, expected: str) -> None:
    assert redact_url(url) == expected
    assert redact_url(redact_url(url)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I/O error: 'rtsp://u:hunter2@cam/1'", "I/O error: 'rtsp://***@cam/1'"),
        (
            "tried rtsp://a:hunter2@x/1, then http://b:hunter2@y/?key=hunter2",
            "tried rtsp://***@x/1, then http://***@y/?key=***",
        ),
        ("rtsp://u:hunt er2@cam/1 refused", "rtsp://***@cam/1 refused"),
        ("rtsp://cam:554: write to a@b.c", "rtsp://cam:554: write to a@b.c"),
        ("rtsp://cam/1 (404)\nmail a@b.c", "rtsp://cam/1 (404)\nmail a@b.c"),
        ("Authorization: Basic aHVudGVyMg==\nCSeq: 2", "Authorization: ***\nCSeq: 2"),
        ("http: error 404 at a@b.c", "http: error 404 at a@b.c"),
        ("no such file: cam/user=u&password=hunter2", "no such file: cam/user=u&password=***"),
        ("rtsp://h/a_password=***: refused", "rtsp://h/a_password=***: refused"),
        ("rtsp://h/a_password=***hunter2: refused", "rtsp://h/a_password=*** refused"),
        ("no URL here", "no URL here"),
        ("cannot open admin:hunter2@10.0.0.9/a.mjpg: no", "cannot open ***@10.0.0.9/a.mjpg: no"),
        ("'joe:hunt:er@2@cam:80'", "'***@cam:80'"),
        ("666666:hunter2@cam/1", "***@cam/1"),
        ("10.0.0.9/a.mjpg?user=joe&x=1&k=hunter2", "10.0.0.9/a.mjpg?user=***&x=1&k=***"),
        (
            "at 12:30:01@cam.mp4, note:b@c, x = d[1:]@e.f",
            "at 12:30:01@cam.mp4, note:b@c, x = d[1:]@e.f",
        ),
        ("mailto:info@example.com", "mailto:info@example.com"),
        ("really?yes=no, a ? b=c", "really?yes=no, a ? b=c"),
    ],
)
def test_text_loses_the_credentials_of_every_url(text: str, expected: str) -> None:
    assert redact_text(text) == expected
    assert redact_text(expected) == expected
