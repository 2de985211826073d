"""The page in the browser: what it sends, and a real browser that drives the robots by it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pytest
import viser
from browser import control, open_browser, skip_without_browser, tick, wait_for
from playing import CarriedQmini, make_trained
from qmini_training import make_env, make_runner
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from legged_gym.common.errors import UserError
from legged_gym.viewers.session import PlaySession, TrainingSession
from legged_gym.viewers.web_page import Onlooker, WebPage, is_private
from legged_gym.viewers.web_plots import bars
from legged_gym.viewers.web_scene import robot_on_ray

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement


class Running:
    """A session that goes on in a thread of its own, and its page."""

    def __init__(self, session: PlaySession) -> None:
        self.session, self.page = session, WebPage(session, port=18080)
        self.thread = threading.Thread(target=self._play)
        self.thread.start()

    def _play(self) -> None:
        for _ in self.session.steps(None, [self.page]):
            pass

    @property
    def steps(self) -> int:
        return self.session.env.common_step_counter

    def velocity(self) -> float:
        return float(self.session.env.base_lin_vel[self.session.robot, 0])

    def goes_on(self) -> None:
        steps = self.steps
        wait_for(lambda: self.steps > steps + 3)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    trained = make_trained(tmp_path_factory.mktemp("run"), 2, CarriedQmini, commands__resampling_time=1000.0)
    running = Running(PlaySession(trained))
    yield running
    running.session.stop()
    running.thread.join()
    running.page.close()
    trained.env.close()


@pytest.fixture(scope="module")
def browser(running: Running) -> Iterator[Chrome]:
    """Return a browser that shows the page."""
    skip_without_browser()
    driver = open_browser()
    driver.get(running.page.url)
    wait_for(lambda: running.page.watchers == 1)
    yield driver
    driver.quit()


def press(driver: Chrome, text: str) -> None:
    path = f"//button[normalize-space()='{text}']"
    wait_for(lambda: driver.find_elements("xpath", path))
    driver.execute_script("arguments[0].click()", driver.find_element("xpath", path))


def status(driver: Chrome) -> str:
    return str(driver.find_element("tag name", "body").text)


def slide(driver: Chrome, label: str, keys: str) -> None:
    """Move a slider by the keyboard, as its thumb has the focus."""
    thumb = thumb_of(driver, label)
    driver.execute_script("arguments[0].focus()", thumb)
    thumb.send_keys(keys)


def thumb_of(driver: Chrome, label: str) -> WebElement:
    return control(driver, label).find_element("xpath", ".//*[@role='slider'] | self::*[@role='slider']")


def request(page: WebPage, host: str | None) -> int:
    """Ask for the page's first file and return the status."""
    address = urlsplit(page.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        header = "" if host is None else f"Host: {host}\r\n"
        connection.sendall(f"GET / HTTP/1.1\r\n{header}Connection: close\r\n\r\n".encode())
        return int(connection.recv(64).split()[1])


def test_a_request_by_a_foreign_name_is_refused(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """So a site that gives its own name this computer's address (DNS rebinding) gets nothing."""
    port = urlsplit(running.page.url).port
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", "localhost:9000", f"[::1]:{port}"):
        assert request(running.page, host) == 200, host
    for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example", None):
        assert request(running.page, host) == 403, host
    assert len(caplog.records) == 5 and "Host is evil.example," in caplog.messages[0]


def test_a_foreign_site_cannot_connect(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """A WebSocket is not kept from a foreign site by the browser."""
    url, port = running.page.url.replace("http", "ws"), urlsplit(running.page.url).port
    protocol = Subprotocol(f"viser-v{viser.__version__}")
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{port + 1}", f"http://localhost:{port}"):
        with pytest.raises(InvalidStatus, match="403"):
            connect(url, origin=Origin(origin), subprotocols=[protocol])
    with connect(url, origin=Origin(running.page.url), subprotocols=[protocol]) as connection:
        assert connection.recv(timeout=10)
    assert len(caplog.records) == 4 and "Origin is https://evil.example" in caplog.messages[0]


def test_a_malformed_message_costs_a_line(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    url, protocol = running.page.url.replace("http", "ws"), Subprotocol(f"viser-v{viser.__version__}")
    for message in ("text", b"", b"\xc1" * 40, msgspec.msgpack.encode({"type": "Nothing"})):
        with connect(url, subprotocols=[protocol]) as connection:
            connection.send(message)
            with pytest.raises(ConnectionClosed):
                while True:
                    connection.recv(timeout=10)
    lines = [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert len(lines) == 4 and all("dropped a connection" in line.getMessage() and not line.exc_info for line in lines)
    running.goes_on()


def test_a_slider_changes_the_robots_velocity(running: Running, browser: Chrome) -> None:
    from selenium.webdriver.common.keys import Keys

    press(browser, "Stand still")
    wait_for(lambda: abs(running.velocity()) < 0.1 and running.session.held_command == (0.0, 0.0, 0.0))
    # In a browser that lags the slider goes to zero later, and keys before that would be lost.
    wait_for(lambda: float(str(thumb_of(browser, "Forward").get_attribute("aria-valuenow"))) == 0.0)
    slide(browser, "Forward", Keys.ARROW_RIGHT * 30)
    wait_for(lambda: running.velocity() > 0.2)
    slide(browser, "Forward", Keys.ARROW_LEFT * 60)
    wait_for(lambda: running.velocity() < -0.2)


def test_keys_change_the_velocity_and_the_slider(running: Running, browser: Chrome) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    press(browser, "Stand still")
    wait_for(lambda: running.session.held_command == (0.0, 0.0, 0.0))
    browser.execute_script("document.activeElement.blur()")
    ActionChains(browser).send_keys("iij").perform()
    wait_for(lambda: running.session.held_command == pytest.approx((0.2, 0.0, 0.2)))
    slider = control(browser, "Forward")
    shown = slider.find_element("xpath", ".//*[@role='slider'] | self::*[@role='slider']")
    wait_for(lambda: shown.get_attribute("aria-valuenow") == "0.2")


def test_a_click_on_a_robot_shows_that_one(running: Running, browser: Chrome) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    session, scene = running.session, running.page._scene
    session.select_robot(0)
    session.pause(True)
    canvas = browser.find_element("tag name", "canvas")

    def clicked() -> bool:
        # Again each time: the world slides until the view has come to rest.
        place = session.env.root_states[1, :3].numpy() + scene._world.position
        for client in running.page._server.get_clients().values():
            client.camera.position, client.camera.look_at = place + np.array([1.0, -1.0, 0.5]), place
        ActionChains(browser).move_to_element(canvas).click().perform()
        return session.robot == 1

    try:
        wait_for(lambda: scene._drawn[0].tolist() == [0, 1])
        wait_for(clicked)
    finally:
        session.pause(False)


def test_time_stands_still_and_goes_on(running: Running, browser: Chrome) -> None:
    tick(browser, "Pause", lambda: running.session.paused)
    wait_for(lambda: "paused" in status(browser))
    steps = running.steps
    press(browser, "One step")
    wait_for(lambda: running.steps == steps + 1)
    tick(browser, "Pause", lambda: not running.session.paused)
    running.goes_on()


def test_another_checkpoint_is_taken_without_a_restart(running: Running, browser: Chrome) -> None:
    wait_for(lambda: "model_5.pt" in status(browser))
    chooser = control(browser, "Iteration")
    browser.execute_script("arguments[0].click()", chooser)
    option = "//*[@role='option'][normalize-space()='0']"
    wait_for(lambda: browser.find_elements("xpath", option))
    browser.execute_script("arguments[0].click()", browser.find_element("xpath", option))
    wait_for(lambda: running.session.trained.checkpoint.endswith("model_0.pt"))
    wait_for(lambda: "model_0.pt" in status(browser))
    running.goes_on()


def test_a_second_browser_comes_and_goes(running: Running, browser: Chrome) -> None:
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    browser.get(running.page.url)
    wait_for(lambda: running.page.watchers == 2)
    press(browser, "Stand still")
    wait_for(lambda: running.session.held_command == (0.0, 0.0, 0.0))
    browser.close()
    browser.switch_to.window(first)
    wait_for(lambda: running.page.watchers == 1)
    running.goes_on()
    assert running.thread.is_alive()


def test_a_browser_ends_and_the_session_goes_on(running: Running, browser: Chrome) -> None:
    other = open_browser()
    other.get(running.page.url)
    wait_for(lambda: running.page.watchers == 2)
    other.quit()
    wait_for(lambda: running.page.watchers == 1)
    running.goes_on()


def test_a_broken_page_never_stops_a_training(running: Running) -> None:
    skip_without_browser()
    env = make_env(2)
    runner = make_runner(env)
    page = WebPage(TrainingSession(env, runner), port=18090)
    env.after_step.append(Onlooker(page))
    driver = open_browser()
    try:
        driver.get(page.url)
        wait_for(lambda: page.watchers == 1)
        runner.learn(1)
        wait_for(lambda: "training, iteration" in status(driver))
        assert not driver.find_elements("xpath", "//label[starts-with(normalize-space(), 'Forward')]")
        page._scene._world.remove()
        with pytest.warns(UserWarning, match="stops showing the training"):
            runner.learn(1)
        assert runner.completed_iterations == 2
    finally:
        driver.quit()
        page.close()
        env.close()


def test_a_phone_shows_the_robot_and_what_ended_the_session(tmp_path: Path) -> None:
    skip_without_browser()
    trained = make_trained(tmp_path, 1)
    running = Running(PlaySession(trained))
    driver = open_browser()
    try:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        )
        driver.get(running.page.url)
        wait_for(lambda: "model_5.pt" in status(driver))
        in_the_middle = "return document.elementFromPoint(195, 422).tagName"
        wait_for(lambda: driver.execute_script(in_the_middle) == "CANVAS")
        assert not any(label.is_displayed() for label in driver.find_elements("xpath", "//label"))
        press_section = "//*[normalize-space()='Controls']"
        driver.find_elements("xpath", press_section)[-1].click()
        wait_for(lambda: control(driver, "Pause").is_displayed())
        running.session.stop()
        running.thread.join()
        running.session.message = "ended after 1 s: stopped"
        running.page.close()
        wait_for(lambda: "ended after 1 s: stopped" in status(driver))
    finally:
        running.session.stop()
        running.thread.join()
        running.page.close()
        driver.quit()
        trained.env.close()


def test_while_nobody_looks_nothing_is_read(running: Running) -> None:
    env = make_env(1)
    page = WebPage(TrainingSession(env, make_runner(env)), port=18100)
    for _ in range(3):
        env.step(env.actions)
        page.update()
    assert page._next_frame == 0.0
    page.close()
    page.close()
    assert not page.is_open
    env.close()


def test_a_port_in_use_is_left_alone() -> None:
    env = make_env(1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 18110))
        taken.listen()
        page = WebPage(TrainingSession(env, make_runner(env)), port=18110)
        assert page.url != "http://127.0.0.1:18110"
        page.close()
    env.close()


def test_an_address_of_another_computer_is_a_users_mistake() -> None:
    env = make_env(1)
    with pytest.raises(UserError, match=r"--host 192\.0\.2\.1"):
        WebPage(TrainingSession(env, make_runner(env)), "192.0.2.1")
    env.close()


@pytest.mark.parametrize(("host", "private"), [
    ("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("192.168.1.2", False), ("pc", False),
])  # fmt: skip
def test_which_addresses_are_warned_about(host: str, private: bool) -> None:
    assert is_private(host) == private


def test_a_ray_meets_the_first_robot_on_its_way() -> None:
    links = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -0.3]])
    places = np.stack([links + np.array([x, y, 0.5]) for x, y in ((4.0, 0.0), (2.0, 0.0), (-2.0, 0.0), (2.0, 1.0))])
    ahead, origin = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.05, 0.5])
    assert robot_on_ray(places, origin, ahead) == 1
    assert robot_on_ray(places, origin - 0.3 * np.array([0.0, 0.0, 1.0]), ahead) == 1
    assert robot_on_ray(places, origin, -ahead) == 2
    assert robot_on_ray(places[[0, 2, 3]], origin, ahead) == 0
    assert robot_on_ray(places, origin + 0.5 * np.array([0.0, 0.0, 1.0]), ahead) is None
    assert robot_on_ray(np.zeros((0, 0, 3)), origin, ahead) is None


def test_bars_show_what_rewards_and_what_costs() -> None:
    shown = bars({"good": 2.0, "<bad>": -1.0, "nothing": 0.0})
    assert "<bad>" not in shown and "&lt;bad&gt;" in shown
    order = [shown.index(name) for name in ("good", "nothing", "&lt;bad")]
    assert order == sorted(order)
    assert "left:25.0%;width:25.0%" in shown and "left:50.0%;width:50.0%" in shown
